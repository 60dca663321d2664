"""report.html: one file with everything in it, to be opened from a disk, an e-mail or a phone.

Texts from bags (topics, frame ids, reasons) are not trusted: the template escapes everything, the
data for the script cannot end its element, and a content security policy forbids every request
and every script but the one whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vif_perception.report import summary
from vif_perception.report.charts import (
    TimeChart,
    as_data,
    axis_marks,
    bars,
    clock,
    lanes,
    time_chart,
)
from vif_perception.report.document import replace_text
from vif_perception.report.gallery import Gallery, GalleryEntry
from vif_perception.report.palette import RGB
from vif_perception.report.pictures import ERRORS, UNJUDGED
from vif_perception.report.series import Series
from vif_perception.types import LabelSet


def write_html(
    path: Path, report: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], gallery: Gallery,
    labels: LabelSet,
) -> None:
    """Write the report as one HTML file without links to anything outside.

    Args:
        path: file to write.
        report: what report.json holds; every part may be null, empty or missing. An optional
            ``error`` and ``notes`` are shown under the verdict. ``gates`` is a list of
            {name, value, op, limit, passed}; ``fusion`` maps method to metric to value.
        rows: lines of frames.jsonl in order, read once, 60 bytes each are kept.
        gallery: pictures of the frames worth seeing.
        labels: classes of the masks.

    Raises:
        OSError: the file cannot be written.
    """
    series = Series(rows)
    charts = _charts(report, series)
    page = environment().get_template('report.html.j2').render(
        **_scripts(), **_verdict(report, series), **_numbers(report),
        charts=charts, axis=series.axis, marks=axis_marks(series.axis),
        lanes=lanes(series.runs(), summary.counts(report.get('modes'))),
        kinds=[(*kind, n) for kind, n in series.kinds.most_common(40) if kind[0] != 'FUSED'][:10],
        legend=_legend(labels, gallery), error_legend=[*ERRORS, UNJUDGED],
        data=_safe_json(_data(series, charts, gallery.entries())),
    )
    replace_text(path, page)


def environment() -> Environment:
    """Return the templates of this room; whatever they show is escaped."""
    environment = Environment(
        loader=PackageLoader('vif_perception.report', 'templates'), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters.update(
        number=summary.number, plain=summary.plain, clock=clock,
        hex=lambda color: '#{:02x}{:02x}{:02x}'.format(*color),
    )
    return environment


def _scripts() -> dict[str, Any]:
    """Style and script as they are, and the hash that allows this script alone."""
    folder = Path(__file__).with_name('templates')
    script = (folder / 'report.js').read_text(encoding='utf-8')
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (folder / 'report.css').read_text(encoding='utf-8')
    return {'script': Markup(script), 'script_hash': digest, 'style': Markup(style)}


def _verdict(report: Mapping[str, Any], series: Series) -> dict[str, Any]:
    gates = summary.gates(report.get('gates'))
    look, title = summary.verdict(report)
    return {
        'look': look, 'title': title,
        'headline': summary.headline(report, series),
        'bag': summary.bag_name(report.get('bag')),
        'error': str(report.get('error') or ''),
        'gates': gates,
        'failed_gates': sum(not gate.passed for gate in gates),
        'notes': [str(note) for note in report.get('notes') or []],
    }


def _numbers(report: Mapping[str, Any]) -> dict[str, Any]:
    """The measured parts in the form the tables need."""
    stages = summary.percentiles(report.get('latency_ms'))
    classes = list(summary.per_class(report.get('segmentation')))
    drops = summary.counts(report.get('drops'))
    methods, metrics = summary.fusion_table(report.get('fusion'))
    return {
        'frames': summary.counts(report.get('frames')),
        'skew': summary.counts(report.get('skew_ms')),
        'latency': dict(stages).get('total', {}),
        'stages': bars((name, [s.get(p, 0.0) for p in ('p50', 'p95', 'p99')])
                       for name, s in stages),
        'segmentation': report.get('segmentation') or {},
        'classes': bars(((n, [iou]) for n, iou in classes if iou is not None), top=1.0),
        'absent': [name for name, iou in classes if iou is None],
        'drops': bars((cause, [n]) for cause, n in drops.items() if n),
        'dropped': int(sum(drops.values())),
        'methods': methods, 'metrics': metrics, 'copies': summary.COPIES,
        'topics': report.get('topics') or {}, 'versions': report.get('versions') or {},
        'registration': report.get('registration') or '',
        'weights': report.get('weights') or {}, 'source': report.get('bag') or '',
        'speed': summary.counts(report.get('speed')),
        'schema': report.get('schema') or '',
    }


def _charts(report: Mapping[str, Any], series: Series) -> dict[str, TimeChart | None]:
    """Curves over time; None where nothing was measured."""
    skew = summary.counts(report.get('skew_ms'))
    latency = dict(summary.percentiles(report.get('latency_ms'))).get('total', {})
    return {
        'skew': time_chart('skew', 'ms', series, series.skew, level=skew.get('p95')),
        'latency': time_chart('latency', 'ms', series, series.latency, level=latency.get('p95')),
        'miou': time_chart('miou', '', series, series.miou, top=1.0, worst='lowest'),
    }


def _legend(labels: LabelSet, gallery: Gallery) -> list[tuple[int, str, RGB]]:
    return [
        (index, name, gallery.colors[index]) for index, name in enumerate(labels.names)
        if index != labels.unlabeled
    ]


def _data(
    series: Series, charts: Mapping[str, TimeChart | None], entries: list[GalleryEntry]
) -> dict[str, Any]:
    """What the page's script works on."""
    places = {int(index): float(x) for index, x in zip(series.index, series.x, strict=True)}
    return {
        'axis': {'kind': series.axis.kind, 'span': series.axis.span},
        'runs': [
            [round(run.start, 5), round(run.end, 5), run.mode, run.reason, run.count,
             run.first, run.last] for run in series.runs()
        ],
        'charts': {name: as_data(chart) for name, chart in charts.items() if chart},
        'frames': [_frame(entry, places) for entry in entries],
    }


def _frame(entry: GalleryEntry, places: Mapping[int, float]) -> dict[str, Any]:
    row = entry.row
    entities = sorted(summary.counts(row.get('entities')).items(), key=lambda item: -item[1])
    latency = summary.counts(row.get('latency_ms'))
    return {
        'index': row.get('index'), 'x': round(places.get(row.get('index', -1), 0.0), 5),
        'stamp': str(row.get('stamp_ns')), 'mode': str(row.get('mode') or ''),
        'reason': str(row.get('reason') or ''), 'why': sorted(entry.why),
        'miou': _json_number(row.get('miou')), 'confidence': round(entry.confidence, 3),
        'skew': _json_number(row.get('skew_ms')),
        'latency': latency.get('total', sum(latency.values()) if latency else None),
        'entities': [[name, round(score, 3)] for name, score in entities[:4]],
        'classes': entry.classes, 'errors': entry.errors,
        'seen': [c for c in ('rgb', 'thermal') if row.get(f'{c}_stamp_ns') is not None],
        'images': {name: data_uri(file) for name, file in entry.images.items()},
    }


def data_uri(file: bytes) -> str:
    """Return a JPEG or PNG file as the address of an image."""
    kind = 'png' if file[:4] == b'\x89PNG' else 'jpeg'
    return f'data:image/{kind};base64,{base64.b64encode(file).decode()}'


def _json_number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _safe_json(value: Any) -> Markup:
    """JSON that cannot leave its script element, whatever texts are in it."""
    text = json.dumps(value, allow_nan=False, separators=(',', ':'))
    for char in '<>&':
        text = text.replace(char, f'\\u{ord(char):04x}')
    return Markup(text)
