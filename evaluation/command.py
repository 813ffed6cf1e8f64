"""The command: `python -m evaluation run QUERIES`, and what compares runs and templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from environment import from_environment
from evaluation import tables
from evaluation.client import Service
from evaluation.compare import compare as compare_runs
from evaluation.contact_sheet import contact_sheet
from evaluation.errors import EvaluationError
from evaluation.metrics import METRICS
from evaluation.queries import Query, Rule, read_queries
from evaluation.report import Report, read_report, report, write_report
from evaluation.run import Run, run_queries
from evaluation.settings import EvaluationSettings
from evaluation.zero_shot import zero_shot

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure how relevant a service's results are.")

RESULTS = Path(__file__).parent / "results"

QueriesFile = Annotated[Path, typer.Argument(help="Queries with known answers: .jsonl or .csv.")]
Within = Annotated[str, typer.Option(help='Search only items that pass this filter, e.g. {"source": "held-out"}.')]
Classes = Annotated[str, typer.Option(help="The kind of queries whose words are zero-shot classes.")]
Metric = Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")]


@app.command()
def run(
    queries: QueriesFile,
    out: Annotated[Path, typer.Option(help="Folder for the report and the contact sheet.")] = RESULTS,
    name: Annotated[str | None, typer.Option(help="The report's name; default: that of the queries file.")] = None,
    template: Annotated[
        str | None, typer.Option(help='A prompt template in place of the service\'s own; it must say "photo".')
    ] = None,
    within: Within = "",
    classes: Classes = "class",
    sheet: Annotated[bool, typer.Option(help="Write the contact sheet.")] = True,
) -> None:
    """Put the queries to the service; show the measures by kind and write them to a file."""
    service, asked = _service(within), read_queries(queries)
    if template is not None:
        _check_template(template)
    done, content = _measure(service, queries, asked, template, classes)
    file = out / f"{name or queries.stem}.json"
    write_report(content, file)
    console = Console()
    console.print(tables.of_run(content))
    if content["zero_shot"]:
        console.print(tables.of_zero_shot(content["zero_shot"]))
    if done.left_out:
        typer.echo(f"left out, since nothing in this catalogue is relevant to them: {len(done.left_out)} queries")
    typer.echo(f"report: {file}")
    if sheet:
        page = file.with_suffix(".html")
        title = f"{queries.stem}: {content['model']}"
        page.write_text(contact_sheet(done, service.photo, service.query_photo, title=title), "utf-8")
        typer.echo(f"contact sheet: {page}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A run's report.")],
    second: Annotated[Path, typer.Argument(help="Another run's report, of the same queries.")],
    metric: Metric = "precision@10",
) -> None:
    """Show two runs side by side, with the interval of the change."""
    _check_metric(metric)
    one, other = read_report(first), read_report(second)
    console = Console()
    console.print(f"first:  {first}: {one['model']}, template {one['template']!r}", highlight=False)
    console.print(f"second: {second}: {other['model']}, template {other['template']!r}", highlight=False)
    console.print(tables.of_differences(compare_runs(one, other, metric), metric))


@app.command()
def templates(
    queries: QueriesFile,
    template: Annotated[list[str], typer.Option(help='A template with {query} and the word "photo"; several times.')],
    metric: Metric = "map",
    within: Within = "",
    classes: Classes = "class",
) -> None:
    """Measure prompt templates, the best first; queries without words have no template and are left out."""
    for text in template:
        _check_template(text)
    _check_metric(metric)
    service = _service(within)
    asked = [query for query in read_queries(queries) if query.query]
    measured = {text: _measure(service, queries, asked, text, classes)[1] for text in template}
    Console().print(tables.of_templates(measured, metric))


def _measure(
    service: Service, file: Path, queries: list[Query], template: str | None, classes: str
) -> tuple[Run, Report]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(template or "queries", total=len(queries))
        done = run_queries(service, queries, template=template, step=lambda: progress.advance(task))
    if not done.outcomes:
        raise EvaluationError(f"nothing in this catalogue is relevant to a query of {file}; is it the right catalogue?")
    known = [query for query in queries if query.kind == classes]
    classified = zero_shot(service, known, template=template) if known else None
    return done, report(done, service, file, template=template, classified=classified)


def _service(within: str) -> Service:
    settings = from_environment(EvaluationSettings)
    rule: Rule = {}
    if within:
        try:
            value: Any = json.loads(within)
        except json.JSONDecodeError as error:
            raise EvaluationError(f"--within is no JSON: {error.msg}") from error
        if not isinstance(value, dict):
            raise EvaluationError('--within must be a filter, such as {"source": "held-out"}')
        rule = value
    return Service(settings.url, api_key=settings.eval_api_key.get_secret_value(), within=rule)


def _check_template(text: str) -> None:
    if "{query}" not in text or "photo" not in text.lower():
        raise EvaluationError(
            f"the template {text!r} cannot be measured from outside: it must hold {{query}} and the word photo, else "
            "the service puts its own around it; start the service with PROMPT_TEMPLATE set to it, and compare the runs"
        )


def _check_metric(name: str) -> None:
    if name not in METRICS:
        raise EvaluationError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
