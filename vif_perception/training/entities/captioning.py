"""Write the captions file with a vision-language model from a local folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vif_perception.errors import InputError
from vif_perception.training.entities.local_model import load_local, transformers_package

PROMPT = 'List only the physically visible objects and surfaces in this image.'


def caption_images(
    folder: Path, images: Iterable[tuple[str, Sequence[Path]]], *, samples: int = 3,
    temperature: float = 0.7, seed: int = 0,
) -> Iterator[tuple[str, list[str]]]:
    """Yield (id, captions) rows for ``captions.write_captions``.

    Args:
        folder: an image-text-to-text model of transformers, e.g. BLIP-2, LLaVA, Qwen2-VL.
        images: id and the files to caption: visible, thermal, and a fused view if there is one.
        samples: captions of each file.

    Raises:
        InputError: the model cannot be loaded, or an image cannot be read.
    """
    processor, model = load_local(folder, 'AutoProcessor', 'AutoModelForImageTextToText')
    transformers_package().set_seed(seed)
    prompt = _prompt(processor)
    for name, paths in images:
        texts: list[str] = []
        for path in paths:
            inputs = processor(images=_image(path), text=prompt, return_tensors='pt')
            tokens = model.generate(
                **inputs, do_sample=True, temperature=temperature, max_new_tokens=80,
                num_return_sequences=samples,
            )
            answers = _without_question(tokens, inputs['input_ids'])
            texts += processor.batch_decode(answers, skip_special_tokens=True)
        yield name, texts


def _prompt(processor: Any) -> str:
    if getattr(processor, 'chat_template', None):
        talk = [{'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': PROMPT}]}]
        return processor.apply_chat_template(talk, add_generation_prompt=True)
    return PROMPT


def _without_question(tokens: Any, question: Any) -> Any:
    """Cut the prompt off; some models repeat it in front of the answer, some do not."""
    length = question.shape[1]
    repeated = tokens.shape[1] >= length and bool((tokens[:, :length] == question).all())
    return tokens[:, length:] if repeated else tokens


def _image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert('RGB')
    except OSError as error:
        raise InputError(f'cannot be read ({error})', where=str(path)) from None
