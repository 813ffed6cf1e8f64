"""The model by torch, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from loguru import logger
from numpy.typing import NDArray

from clip_runner.backends.graphs import Batch, Graphs, Tensors
from clip_runner.backends.interface import OutOfMemory, Tokens
from clip_runner.backends.packing import PackedLinear, pack, packs
from clip_runner.backends.scripts import Script, scripted
from clip_runner.backends.threads import Threads, even, workers
from clip_runner.backends.towers import PhotoTower, TextTower
from clip_runner.hardware import choose_device
from clip_runner.loading import LoadedModel, load_model
from clip_runner.settings import RunnerSettings

_GPU_TEXT_STEP = 8  # tokens

# Rows, which are patches, of one pass over photos on a CPU: with more it is no faster, and takes more memory.
_PHOTO_ROWS = 512


class TorchBackend:
    """A transformers dual encoder. Attention is torch's fused one (SDPA), transformers' default."""

    def __init__(self, settings: RunnerSettings, loaded: LoadedModel) -> None:
        self._device = choose_device(settings.model_device)
        config = loaded.model.config
        self._most_threads = settings.model_threads
        threads = workers(settings.model_threads)
        self._text_threads = Threads(threads, config.get_text_config())
        vision = getattr(config, "vision_config", None)
        self._photo_threads = Threads(threads, vision)
        patch = getattr(vision, "patch_size", None)
        self._patch = patch if isinstance(patch, int) and patch else None
        self._model_id = settings.model_id
        self._mixed = False
        self._packed = False
        self._wide: dict[str, torch.Tensor] | None = {}
        """What a type has rounded, by name, as it was in float32; empty before, and None once settled."""
        self._photo_tower_of = partial(PhotoTower, mean=loaded.mean, std=loaded.std, rescale=loaded.rescale)
        self._model: Any = loaded.model.to(self._device)
        self.device = str(self._device)
        self.dtype = "float32"
        self._set_up_towers()
        self.text_step = 1
        self.side_by_side = self._device.type == "cpu"  # a GPU's recorded passes have one place for what they are given
        if self._device.type == "cuda":
            self.text_step = _GPU_TEXT_STEP
            # cuDNN's attention, which torch prefers on recent chips, makes a plan for each new shape: 0.3 s, and texts
            # come in many shapes.
            torch.backends.cuda.enable_cudnn_sdp(False)
        self.photos_at_once: int | None = None

    def use(self, dtype: str) -> None:
        """Compute in float32, bfloat16, float16, or `mixed`: sums and norms in float32, products in bfloat16."""
        if dtype != self.dtype:
            self._widen(dtype)
        self._mixed = dtype == "mixed"
        if self._device.type == "cpu" and dtype in ("bfloat16", "mixed") and packs():
            pack(self._model, self._most_threads)
            self._packed = True
        if dtype != "float32" and self._wide == {}:  # after packing: what is packed need not be kept
            self._wide = {name: value.data for name, value in self._values()}
        if dtype in ("bfloat16", "float16"):
            self._model.to(getattr(torch, dtype))
        elif self._mixed:
            # Those that are not packed: as autocast would round them, the same to the bit, but once instead of at each
            # pass. Of convolutions there is one, and some models compute all that follows in the type of its weights.
            for layer in self._model.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.to(torch.bfloat16)
        self.dtype = dtype
        self._set_up_towers()

    def _set_up_towers(self) -> None:
        """As the model is now; nothing is recorded of them yet."""
        takes = torch.float32 if self._mixed else self._model.dtype
        self._photo_tower = self._photo_tower_of(self._model, dtype=takes).eval()
        self._text_tower = TextTower(self._model).eval()
        self._scripts: dict[str, Script] = {}
        self._photo_graphs: Graphs | None = None
        self._text_graphs: Graphs | None = None

    def settle(self) -> None:
        """Keep nothing that only another type would need, from now on."""
        self._wide = None

    def _widen(self, dtype: str) -> None:
        """Back to float32, but for packed layers where `dtype` packs them too."""
        if self.dtype == "float32":
            return
        values, wide = dict(self._values()), self._wide
        packed_for_good = self._packed and dtype not in ("bfloat16", "mixed")
        if wide is None or packed_for_good or not values.keys() <= wide.keys():
            self._model = load_model(self._model_id).model.to(self._device)
            self._packed = False
            self._wide = None if wide is None else {}
        else:
            for name, value in values.items():
                value.data = wide[name]

    def _values(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Weights and buffers by name; one that has several names comes with each."""
        yield from self._model.named_parameters(remove_duplicate=False)
        modules = self._model.named_modules(remove_duplicate=False)
        packed = {name for name, module in modules if isinstance(module, PackedLinear)}  # bfloat16, whatever the type
        for name, value in self._model.named_buffers(remove_duplicate=False):
            if name.rpartition(".")[0] not in packed:
                yield name, value

    def script(self, photos: Sequence[NDArray[np.uint8]], texts: Sequence[Tokens]) -> None:
        """On a CPU: record the towers, so that a pass is rid of its Python. Others may encode meanwhile.

        Args:
            photos: pixels; texts: tokens. The first batch is what is recorded, the others, of other shapes, check it.
        """
        if self._device.type != "cpu":
            return
        of_texts = [tuple(map(self._moved, batch.values())) for batch in texts]
        of_photos = [(self._moved(batch),) for batch in photos]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # beside those that encode
        try:
            self._record("texts", self._text_tower, of_texts)
            self._record("photos", self._photo_tower, of_photos)
        finally:
            torch.set_num_threads(threads)

    def _record(self, what: str, tower: torch.nn.Module, batches: Sequence[tuple[torch.Tensor, ...]]) -> None:
        if (script := scripted(tower, batches, autocast=self._mixed)) is not None:
            self._scripts[what] = script
            logger.info("passes over {} are recorded", what)

    def capture(self, photos: Sequence[Batch], texts: Sequence[Batch]) -> None:
        """On a GPU: record the towers for batches of these shapes, so that such a batch costs one launch.

        Args:
            photos: `pixels`, by rising size.
            texts: tokens.
        """
        if self._device.type == "cuda":
            self._photo_graphs = self._recorded("photos", lambda given: self._photo_tower(**given), photos)
            if self._photo_graphs is not None:  # after a failure, torch may not be able to record anything
                self._text_graphs = self._recorded("texts", lambda given: self._text_tower(**given), texts)

    @property
    def records_photos(self) -> bool:
        """Whether photos go through recorded passes; then `photos_at_once` says how many through one."""
        return self._photo_graphs is not None

    def _recorded(self, what: str, forward: Callable[[Tensors], torch.Tensor], like: Sequence[Batch]) -> Graphs | None:
        while like:
            try:
                with self._pass():
                    return Graphs(forward, self._device, like)
            except torch.OutOfMemoryError:
                like = like[: len(like) // 2]
            except RuntimeError as error:
                logger.warning("the pass over {} cannot be recorded and is slower for it: {}", what, error)
                break
            torch.cuda.empty_cache()
        return None

    def text_parts(self, items: int, tokens: int) -> int:
        return self._text_threads.plan(items, tokens).parts if self._device.type == "cpu" else 1

    def texts(self, parts: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        with _memory():
            works = [partial(self._passes_over, part) for part in parts]
            if self._device.type == "cpu":
                tokens = sum(passed["input_ids"].size for part in parts for passed in part)
                return self._text_threads.beside(works, tokens)
            return np.concatenate([work() for work in works])

    def _passes_over(self, part: Sequence[Tokens]) -> NDArray[np.float32]:
        made = [self._texts_of(tokens) for tokens in part]
        return made[0] if len(made) == 1 else np.concatenate(made)

    def _texts_of(self, tokens: Tokens) -> NDArray[np.float32]:
        if self._text_graphs is not None and (shapes := self._text_graphs.shapes_for(tokens)):
            with self._pass():
                return self._text_graphs.features([(shapes, tokens)])
        return self._texts_by_tower(tokens)

    def _texts_by_tower(self, tokens: Tokens) -> NDArray[np.float32]:
        return self._by_tower("texts", self._text_tower, *map(self._moved, tokens.values()))

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _memory():
            if self._device.type == "cpu":
                rows = pixels[..., 0].size // (self._patch or 1) ** 2
                parts = even(len(pixels), self._photo_threads.plan(len(pixels), rows).parts)
                most = max(1, _PHOTO_ROWS * len(pixels) // rows) if self._patch else len(pixels)
                return self._photo_threads.beside(
                    [partial(self._photos_piece_by_piece, pixels[part], most) for part in parts], rows
                )
            if self._photo_graphs is not None:
                graphs, most = self._photo_graphs, self.photos_at_once or self._photo_graphs.sizes[-1]
                pieces = [{"pixels": pixels[start : start + most]} for start in range(0, len(pixels), most)]
                found = [(shapes, piece) for piece in pieces if (shapes := graphs.shapes_for(piece))]
                if len(found) == len(pieces):
                    with self._pass():
                        return graphs.features(found)
            return self._photos_by_tower(pixels)

    def _photos_piece_by_piece(self, pixels: NDArray[np.uint8], most: int) -> NDArray[np.float32]:
        pieces = even(len(pixels), -(-len(pixels) // most))
        return np.concatenate([self._photos_by_tower(pixels[piece]) for piece in pieces])

    def _photos_by_tower(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._by_tower("photos", self._photo_tower, self._moved(np.ascontiguousarray(pixels)))

    def _by_tower(self, what: str, tower: torch.nn.Module, *given: torch.Tensor) -> NDArray[np.float32]:
        """A pass without graphs; by what is recorded of the tower, where that is there and holds for the batch."""
        if (script := self._scripts.get(what)) is not None:
            try:
                return _features(script(*given))
            except RuntimeError as error:
                logger.warning("the recorded pass over {} fails, and is given up: {}", what, error)
                self._scripts.pop(what, None)
        with self._pass():
            return _features(tower(*given))

    def _moved(self, values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(values).to(self._device)

    @contextmanager
    def _pass(self) -> Iterator[None]:
        # Which device is the current one is each thread's own, and what is loaded in one is computed in another.
        device = torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()
        with device, torch.inference_mode(), self._precision():
            yield

    def _precision(self) -> AbstractContextManager[Any]:
        if not self._mixed:
            return nullcontext()
        # autocast drops its cached casts when it ends, and a recorded pass would go on reading them.
        return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=self._device.type != "cuda")


class _memory(AbstractContextManager[None]):
    """Says `OutOfMemory` for the error that a GPU raises."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            raise OutOfMemory(str(error)) from error


def _features(output: torch.Tensor) -> NDArray[np.float32]:
    features: NDArray[np.float32] = output.float().cpu().numpy()
    return features
