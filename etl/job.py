"""The parts that a command works with, made of its settings and let go of at its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing
from types import TracebackType

from catalog.collections import Collection, CollectionModel
from catalog.images import ImageStore
from catalog.vectors import VectorDatabase
from etl.checkpoint import Checkpoint
from etl.encoder_client import EncoderClient, EncoderModel
from etl.errors import EtlError
from etl.metrics import LoadMetrics, MetricsServer
from etl.opening import Opening
from etl.pipeline import Limits, Parts
from etl.progress import LoadProgress
from etl.removal import Leftovers
from etl.settings import EtlSettings
from etl.state import State
from etl.waiting import Patience


class Job:
    """One command at work. Used as a context."""

    def __init__(self, settings: EtlSettings) -> None:
        self.settings = settings
        self.state = State(settings.etl_state_dir)
        self.stop = threading.Event()
        self.metrics = LoadMetrics()
        self.progress = LoadProgress(self.metrics)
        self.patience = Patience(settings.etl_wait, self.progress.say, self.stop, self.metrics.waited)
        self.vectors = VectorDatabase(settings)
        self.images = ImageStore(settings)
        self.leftovers = Leftovers(self.state.leftovers)
        self.encoder = EncoderClient(
            settings.encoder_url,
            self.patience,
            api_key=settings.etl_api_key.get_secret_value(),
            connections=settings.etl_in_flight,
            most=settings.etl_batch,
        )
        self._exit = ExitStack()

    def __enter__(self) -> Job:
        self._exit.callback(self.vectors.close)
        self._exit.callback(self.encoder.close)
        self._exit.callback(self.progress.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def begin(self) -> None:
        """Before a command that writes: hold the state folder, and serve metrics where asked for."""
        self._exit.enter_context(self.state.lock())
        if (port := self.settings.etl_metrics_port) is not None:
            for source in self.state.sources():
                with closing(Checkpoint(self.state.checkpoint(source))) as checkpoint:
                    if (at := checkpoint.fact("succeeded")) is not None:
                        self.metrics.succeeded(source, at)
            self._exit.callback(MetricsServer(self.metrics, port).close)

    @property
    def parts(self) -> Parts:
        settings = self.settings
        return Parts(
            self.vectors,
            self.images,
            self.encoder,
            self.patience,
            self.progress,
            self.metrics,
            self.leftovers,
            Limits(settings.batch_bytes, settings.etl_in_flight, settings.etl_readers),
        )

    def opening(self, changes: Mapping[str, object] | None = None) -> Opening:
        """Opens sources by these settings, some of them changed."""
        settings = self.settings.model_copy(update=dict(changes)) if changes else self.settings
        return Opening(settings, self.state, self.patience, self.progress.fetched)

    # --- collections

    def searched(self) -> Collection:
        """The collection that is searched; EtlError where there is none."""
        collection = self.patience.call("milvus", self.vectors.current)
        if collection is None:
            raise EtlError("nothing has been loaded yet: run `python -m etl run SOURCE`")
        return collection

    def collection_for(self, model: EncoderModel) -> tuple[Collection, bool]:
        """The collection to load into, and whether it still has to be published."""
        wanted = CollectionModel(model.model, model.dim)
        current = self.patience.call("milvus", self.vectors.current)
        if current is None:
            return self.unpublished(wanted, after=None), True
        if current.model != wanted:
            raise EtlError(
                f"the collection {current.name} was encoded with {current.model.model}, the service runs "
                f"{model.model}; vectors of two models cannot be mixed. `python -m etl rebuild` makes a new collection"
            )
        return current, False

    def unpublished(self, model: CollectionModel, *, after: Collection | None) -> Collection:
        """A collection that is not searched yet: one that an earlier command left half done, or a new one."""
        call, vectors = self.patience.call, self.vectors
        names = call("milvus", vectors.collections)
        if after is not None:
            names = names[names.index(after.name) + 1 :] if after.name in names else []
        for name in reversed(names):
            started = call("milvus", vectors.collection, name)
            if started is not None and started.model == model:
                return started
        return call("milvus", vectors.create, model)


def described(value: object) -> object:
    """A setting as the checkpoint keeps it."""
    return json.loads(json.dumps(value, default=str))
