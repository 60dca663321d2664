"""The ``vif-perception`` command. It only translates; the work is done in the rooms below.

Exit codes: 0 ok, 1 a gate failed, 2 bad usage or input, 70 a defect of this program, 130
interrupted. Only what ``--help`` needs is imported here; each command imports its room when it
runs.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from vif_perception import __version__
from vif_perception.cli import (
    bench,
    console,
    demo,
    entities,
    evaluate,
    export,
    extract,
    fuse,
    label,
    models,
    params,
    replay,
    sim,
    study,
    system,
    train,
)
from vif_perception.errors import InputError

#: EX_SOFTWARE of sysexits.h; never 1, which says that a gate failed.
EXIT_DEFECT = 70


class _Commands(TyperGroup):
    """Turns bad input into one line on stderr; what else is raised is a defect of ours."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            console.complain(f'error: {error}')
            raise typer.Exit(2) from None
        except OSError as error:
            if error.filename is None:
                raise  # not about a file that somebody named
            console.complain(f'error: {InputError(_words(error), where=str(error.filename))}')
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            console.complain('interrupted')
            raise typer.Exit(130) from None


def _words(error: OSError) -> str:
    return f'cannot be read or written ({error.strerror or error})'


app = typer.Typer(
    name='vif-perception',
    cls=_Commands,
    help='Thermal + RGB perception: fused image, semantic mask, confidence and scene entities.',
    epilog='Exit codes: 0 ok, 1 a gate failed, 2 bad usage or input, 70 a defect of this program, '
    '130 interrupted.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={'help_option_names': ['-h', '--help']},
)
for _command in (
    demo.demo, replay.replay, sim.sim, bench.bench, models.models, export.export,
    entities.entities, extract.extract, fuse.fuse, label.label, train.train, train.ship,
    study.study, evaluate.evaluate, params.params, system.info,
):
    app.command(_command.__name__)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f'vif-perception {__version__}')
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            '--version', callback=_print_version, is_eager=True, help='Print the version and exit.'
        ),
    ] = False,
) -> None:
    """Hold the options that come before a command."""


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    try:
        app()
    except Exception:  # what bad input causes was caught above
        traceback.print_exc()
        console.complain('This is a defect of vif-perception; please report the lines above.')
        sys.exit(EXIT_DEFECT)
