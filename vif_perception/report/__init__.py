"""What a run leaves behind for people and for CI: report.json, report.html and frames.jsonl.

Any door can write it, live or from a recording: results go in one by one, the report comes out
at the end; memory does not grow with the length of the run.

    tap = EngineTap(engine)                                   # remembers what the network saw
    pipeline = Pipeline(config, tap, timer=time.perf_counter_ns)
    with ReportFolder(Path('run')) as folder:                 # report.json says 'failed' from here
        folder.report['topics'] = {'rgb': '/rgb/image_raw', 'thermal': '/thermal/image_raw'}
        folder.ran_on(tap)                                    # weights and versions
        writer = ReportWriter(folder, engine.labels)
        ...                                                   # for every pair that is ready:
        perception = pipeline.process(pair)
        if perception is not None:
            writer.add(pair, perception, tap.last)            # truth=mask, when there is one
        ...
        report = writer.finish(pipeline.health(now_ns), elapsed_s=elapsed_s)
    sys.exit(exit_code(report))

One thread at a time may call a writer. Images are kept for a few results: a door must not write
again into the memory of a frame that it has given away.
"""

from vif_perception.pipeline.view import EngineTap, View
from vif_perception.report.document import exit_code
from vif_perception.report.folder import ReportFolder
from vif_perception.report.writer import Progress, ReportWriter

__all__ = ['EngineTap', 'Progress', 'ReportFolder', 'ReportWriter', 'View', 'exit_code']
