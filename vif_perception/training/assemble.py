"""From a recipe to its parts: network, start weights, teacher, objective."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from vif_perception.errors import InputError
from vif_perception.inference.weights import load_network, read_weights
from vif_perception.models.registry import build
from vif_perception.training.distillation import Distillation
from vif_perception.training.entity_labels import EntityLabels
from vif_perception.training.losses import class_weights
from vif_perception.training.objective import Objective
from vif_perception.training.objectives import objective_for
from vif_perception.training.recipe import NetworkRecipe, Recipe, TeacherRecipe
from vif_perception.training.run_folder import weights_of
from vif_perception.training.source import Source
from vif_perception.types import LabelSet


def make_network(recipe: NetworkRecipe, labels: LabelSet, entities: EntityLabels) -> nn.Module:
    """Build the network, from torch's generator, and fill it from ``start``.

    Raises:
        InputError: unknown network, start weights that cannot be read or do not fit, ``fresh``
            that names none of them.
    """
    try:
        network = build(
            recipe.name, recipe.preset, classes=len(labels), entities=len(entities.names),
            options=recipe.options,
        )
    except InputError as error:  # a recipe has under `network` what a configuration has elsewhere
        where, remedy = (
            text.replace('model.', 'network.') for text in (error.where, error.remedy)
        )
        raise InputError(
            error.what, where=where, accepted=error.accepted, remedy=remedy
        ) from None
    entities.teach(network)
    if not recipe.start:
        return network
    path = weights_of(recipe.start)
    given = read_weights(path)[0]
    wanted = network.state_dict()
    _check_fresh(recipe.fresh, [*given, *wanted])
    used = {key: value for key, value in given.items() if not key.startswith(recipe.fresh)}
    bad = sorted(
        key for key in used.keys() | wanted.keys() if not key.startswith(recipe.fresh) and (
            key not in used or key not in wanted or used[key].shape != wanted[key].shape
        )
    )
    if bad:
        raise InputError(
            f'does not fit {recipe.name} {recipe.preset}: {", ".join(bad[:4])}'
            f'{" and more" if len(bad) > 4 else ""}', where=str(path), accepted='equal tensors',
            remedy='name in network.fresh what is to start anew',
        )
    network.load_state_dict({**wanted, **used})
    return network


def _check_fresh(beginnings: Sequence[str], names: Sequence[str]) -> None:
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in names):
            raise InputError(
                f'no tensor begins with {beginning!r}', where='network.fresh',
                accepted=', '.join(sorted({name.partition('.')[0] for name in names})),
            )


def freeze(network: nn.Module, beginnings: Sequence[str]) -> None:
    """Keep layers as they are, running statistics included; others are left in training mode.

    Args:
        beginnings: of the names of layers, such as ``fusion_head``; none: nothing is frozen.

    Raises:
        InputError: a beginning that no layer has, or nothing is left to learn.
    """
    layers = [name for name, _ in network.named_modules() if name]
    for beginning in beginnings:
        found = [name for name in layers if name.startswith(beginning)]
        if not found:
            raise InputError(
                f'no layer begins with {beginning!r}', where='network.frozen',
                accepted=', '.join(name for name, _ in network.named_children()),
            )
        for name in found:
            network.get_submodule(name).eval().requires_grad_(False)
    if beginnings and not any(p.requires_grad for p in network.parameters()):
        raise InputError('nothing is left to learn', where='network.frozen',
                         accepted='some of the layers')


def make_objective(recipe: Recipe, network: nn.Module, source: Source) -> Objective:
    """Build the objective with its teacher and class weights.

    Raises:
        InputError: see ``objectives.objective_for``; a teacher with other classes.
    """
    asked, device = recipe.objective, next(network.parameters()).device
    weights = class_weights(source.pixels(), asked.class_weight_power).to(device)
    teacher = None
    if asked.teacher.weights:
        teacher = make_teacher(asked.teacher, source.labels, device)
    positive = source.entities.positive_weight()
    return objective_for(
        network, stage=asked.stage, weights=asked.weights, class_weights=weights,
        positive_weight=None if positive is None else positive.to(device), teach=teacher,
        alone=asked.alone,
    )


def make_teacher(recipe: TeacherRecipe, labels: LabelSet, device: torch.device) -> Distillation:
    """Load the teacher onto the device.

    Raises:
        InputError: weights that cannot be read, or of other classes.
    """
    path = weights_of(recipe.weights)
    network, card = load_network(path)
    if card.classes != labels.names:
        raise InputError(
            f'knows the classes {", ".join(card.classes)}', where=str(path),
            accepted=', '.join(labels.names),
        )
    return Distillation(network.to(device), recipe.sees, recipe.kind, recipe.temperature)
