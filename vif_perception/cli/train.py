"""``vif-perception train`` and ``ship``: a recipe in, a run folder out; a run in, weights out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vif_perception.cli import console
from vif_perception.errors import InputError
from vif_perception.resources import packaged_recipes

if TYPE_CHECKING:
    from vif_perception.training.recipe import Recipe

Data = Annotated[Path, typer.Option('--data', help='Folder that holds the data sets.')]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help='Recipe: a .yaml file, or a packaged one such as rt_s.'),
    ] = None,
    data: Data = Path(),
    out: Annotated[Path | None, typer.Option(
        '--out', '-o', show_default='runs/RECIPE', help='Run folder.')] = None,
    sets: Annotated[
        list[str] | None, typer.Option('--set', metavar='KEY=VALUE', help='Override a key.')
    ] = None,
    resume: Annotated[
        bool, typer.Option('--resume', help='Go on from the last checkpoint, if there is one.')
    ] = False,
    steps: Annotated[int | None, typer.Option(help='Short for --set steps=N.')] = None,
    seed: Annotated[int | None, typer.Option(help='Short for --set seed=N.')] = None,
    show_batch: Annotated[
        Path | None,
        typer.Option(metavar='PICTURE', help='Draw the first batch and every augmentation, end.'),
    ] = None,
    keys: Annotated[
        bool, typer.Option('--keys', help='List all keys with the values of the recipe, then end.')
    ] = False,
) -> None:
    """Train a network as a recipe says."""
    from vif_perception.training.recipe import load_recipe

    short = [f'{key}={value}' for key, value in (('steps', steps), ('seed', seed))
             if value is not None]
    asked = load_recipe(recipe, [*(sets or []), *short])
    if keys:
        _show_keys(asked)
        return
    if recipe is None:
        raise InputError('no recipe is named', where='train', accepted='a .yaml file, or one of '
                         + ', '.join(packaged_recipes()), remedy='vif-perception train RECIPE')
    if show_batch is not None:
        from vif_perception.training import show_batch as pictures
        from vif_perception.training.source import open_at

        picture = pictures.draw_batch(
            open_at(asked.data.train[0], data), asked.data.augmentation, seed=asked.seed
        )
        pictures.save(picture, show_batch)
        console.say(f'{show_batch}: {asked.data.train[0].name} as the network will see it')
        return
    from vif_perception.training.engine import train as run

    with console.progress() as advance:
        run(asked, data, out or Path('runs') / Path(recipe).stem, resume=resume,
            say=console.say, advance=partial(advance, 'samples'))


def _show_keys(recipe: Recipe) -> None:
    from vif_perception.schema import describe
    from vif_perception.training.recipe import flat
    from vif_perception.yaml_text import flow

    values = flat(recipe.model_dump(mode='json'))
    values['data.train'] = [  # all keys of each data set would fill a screen
        data.model_dump(mode='json', exclude_unset=True) for data in recipe.data.train
    ]
    table = console.table('key', 'value', 'accepted', 'meaning')
    for key, accepted, _, meaning in describe(type(recipe)):
        table.add_row(key, flow(values[key]) if key in values else '', accepted, meaning)
    console.show(table)


def ship(
    run: Annotated[Path, typer.Argument(help='Folder of a run.')],
    data: Data = Path(),
    out: Annotated[
        Path | None, typer.Option(
            '--out', '-o', show_default='named after the run, here',
            help='.safetensors file to write.',
        )
    ] = None,
    test: Annotated[str, typer.Option(help='Split to report on.')] = 'test',
    note: Annotated[str, typer.Option(help='What is special about this training.')] = '',
) -> None:
    """Calibrate the best weights of a run on val, score them on a test split, write the card."""
    from vif_perception.training.ship import ship as write

    path = out or Path(f'{run.resolve().name}.safetensors')
    card = write(run, data, path, test=test, note=note)
    if card.training['state'] != 'finished':
        console.say(f'note: the run is {card.training["state"]}; these are its best weights, of '
                    f'step {card.training["step"]}')
    temperatures = ', '.join(f'{value:g} {mode}' for mode, value in card.temperature.items())
    console.say(f'{path}: temperature {temperatures}; sha256 {card.sha256}')
