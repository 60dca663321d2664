"""Captions and embeddings by models from a local folder, with stand-ins for them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.training.entities.captioning import caption_images
from vif_perception.training.entities.embeddings import (
    WIDTH,
    clip_embeddings,
)


def test_no_model_folder(tmp_path):
    with pytest.raises(InputError, match='is no folder'):
        clip_embeddings(tmp_path / 'none', ['car'])
    with pytest.raises(InputError, match='is no folder'):
        next(caption_images(tmp_path / 'none', [('a', [Path('a.png')])]))


def test_folder_without_a_model_or_without_transformers(tmp_path):
    with pytest.raises(InputError, match=r'cannot be loaded|needs the package transformers'):
        clip_embeddings(tmp_path, ['car'])


class FakeTransformers:
    """The few calls that captioning makes, and whether they stayed on this machine."""

    repeats = True

    def __init__(self):
        self.loaded = []
        self.seed = None
        self.AutoProcessor = self.AutoModelForImageTextToText = self

    def set_seed(self, seed):
        self.seed = seed

    def from_pretrained(self, folder, *, local_files_only, trust_remote_code):
        assert local_files_only
        assert not trust_remote_code
        self.loaded.append(folder)
        return self

    def eval(self):
        return self

    def __call__(self, *, images, text, return_tensors):
        assert images.mode == 'RGB'
        return {'input_ids': np.array([[7, 8]])}

    def generate(self, *, input_ids, num_return_sequences, **how):
        answer = np.arange(num_return_sequences)[:, None] + 20
        question = input_ids.repeat(num_return_sequences, 0)
        return np.hstack([question, answer]) if self.repeats else np.hstack([answer, answer])

    def batch_decode(self, tokens, skip_special_tokens):
        return [' '.join(map(str, row)) for row in tokens]


@pytest.mark.parametrize('repeats, expected', [
    (True, ['20', '21']), (False, ['20 20', '21 21'])
])
def test_captioning_cuts_the_question_off(tmp_path, monkeypatch, repeats, expected):
    fake = FakeTransformers()
    fake.repeats = repeats
    monkeypatch.setitem(sys.modules, 'transformers', fake)
    Image.new('L', (4, 4)).save(tmp_path / 'a.png')
    rows = list(caption_images(tmp_path, [('a', [tmp_path / 'a.png'] * 2)], samples=2, seed=5))
    assert rows == [('a', expected * 2)]
    assert fake.seed == 5
    assert fake.loaded == [str(tmp_path)] * 2
    with pytest.raises(InputError, match=r'none\.png: cannot be read'):
        next(caption_images(tmp_path, [('a', [tmp_path / 'none.png'])]))


class FakeClip:
    """Embeds a text as where its length points; remembers what it was given."""

    def __init__(self):
        self.texts = []
        self.AutoTokenizer = self.CLIPTextModelWithProjection = self

    def from_pretrained(self, folder, **how):
        return self

    def eval(self):
        return self

    def __call__(self, texts=None, *, padding=None, truncation=None, return_tensors=None, n=None):
        if texts is None:
            return SimpleNamespace(text_embeds=torch.eye(WIDTH)[n])
        assert truncation, 'a sentence may be longer than the model reads'
        self.texts += texts
        return {'n': [len(text) for text in texts]}


def test_sentences_are_embedded_as_they_are_and_names_in_templates(tmp_path, monkeypatch):
    fake = FakeClip()
    monkeypatch.setitem(sys.modules, 'transformers', fake)
    table = clip_embeddings(tmp_path, ['a man {by} a car'], ('{}',))
    assert fake.texts == ['a man {by} a car']
    assert table[0].argmax() == len('a man {by} a car')
    clip_embeddings(tmp_path, ['car'])
    assert fake.texts[1:3] == ['a photo of a car.', 'a photo of the car.']
    assert len(fake.texts) == 8
