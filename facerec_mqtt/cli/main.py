"""The command line: parses `facerec-mqtt COMMAND` and dispatches; docs/COMMANDS.md lists the commands.

What a command needs is imported when it runs, so that `--help` answers at once and the service never
loads TensorFlow.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from facerec_mqtt import __version__
from facerec_mqtt.cli.setup.arguments import add_parsers
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.settings import Role, Settings, load_settings

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 failed with one clear sentence on standard error, 2 wrong usage,
        130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file's name can hold what is no text at all; in JSON the escape for it is the same.
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except (FacerecError, MemoryError, ImportError, RuntimeError) as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(f"facerec-mqtt: {sentence}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # Python would complain once more when it closes an output that nobody reads or that is full.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            print("facerec-mqtt: The disk is full; free some space and try again.", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str | None:
    """What the user can do about an error; `None` where it is a bug."""
    if isinstance(error, FacerecError):
        return str(error)
    # Libraries too large for what is left cannot be imported.
    if isinstance(error, MemoryError) or (
        isinstance(error, ImportError) and "failed to map segment" in str(error)
    ):
        return (
            "There is not enough memory for this; end other programs or raise the limit that is set for this"
            " one, and try again. A rebuild takes about 1 GB."
        )
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return (
            "No more threads can be started; end other programs, or raise the limit of processes that is set"
            " for this one (ulimit -u, TasksMax, pids_limit), and try again."
        )
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facerec-mqtt",
        description="Private face recognition for home automation: RTSP cameras in, MQTT events out.",
        epilog="Settings come from FACEREC_* environment variables and a .env file; see config.example.env.",
    )
    parser.add_argument("--version", action="version", version=f"facerec-mqtt {__version__}")
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="read settings from FILE, not from .env"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="watch the cameras and publish who comes and goes")
    run.add_argument(
        "--explain", action="store_true", help="log of each face why it was named, doubted or refused"
    )
    run.add_argument("--role", choices=list(map(str, Role)), help="this box's part in a house of several")
    run.set_defaults(command=_run)

    rebuild = commands.add_parser("rebuild", help="make the family's model from the enrollment folder")
    _add_folders(rebuild)
    rebuild.add_argument(
        "--force", action="store_true", help="use the new model even when it is clearly worse"
    )
    rebuild.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    # As the service's child: a request on standard input, messages on standard output, no settings.
    rebuild.add_argument("--for-service", action="store_true", help=argparse.SUPPRESS)
    rebuild.set_defaults(command=_rebuild)

    enroll = commands.add_parser("enroll", help="check or take enrollment pictures")
    ways = enroll.add_subparsers(required=True, metavar="HOW")
    audit = ways.add_parser("check", help="list which photos would be used, and why others would not")
    _add_folders(audit)
    audit.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    audit.set_defaults(command=_enroll_check)

    capture = ways.add_parser("capture", help="take pictures of one person from a camera")
    capture.add_argument("--person", required=True, metavar="NAME", help="whose pictures they are")
    capture.add_argument(
        "--camera", required=True, metavar="CAMERA", help="a camera's name, or a URL, file or device number"
    )
    capture.add_argument("--enrollment", type=Path, metavar="DIR", help="one folder of photos a person")
    capture.add_argument(
        "--seconds", type=float, default=60.0, metavar="N", help="how long it may take (%(default)s)"
    )
    capture.add_argument("--count", type=int, default=20, metavar="N", help="pictures (%(default)s)")
    capture.add_argument("--json", action="store_true", help="print the outcome as one line of JSON")
    capture.set_defaults(command=_capture)

    evaluate = commands.add_parser(
        "evaluate", help="measure how well the model does on new, labelled pictures"
    )
    evaluate.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="new pictures, in folders as for enrollment"
    )
    evaluate.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are")
    evaluate.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")
    evaluate.set_defaults(command=_evaluate)

    models = commands.add_parser("models", help="list the models that are kept, or go back to one of them")
    models.add_argument("action", choices=["list", "rollback"])
    models.add_argument(
        "version", nargs="?", metavar="VERSION", help="to go back to; by default the one before the current"
    )
    models.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are")
    models.add_argument(
        "--json", action="store_true", help="print the models that are kept as one line of JSON"
    )
    models.set_defaults(command=_models)

    visits = commands.add_parser("visits", help="list who came, when and where, the latest first")
    visits.add_argument("--person", metavar="NAME", help="only visits of this person")
    visits.add_argument("--camera", metavar="CAMERA", help="only visits at this camera")
    visits.add_argument(
        "--kind", choices=["family", "visitor", "stranger", "doubtful"], help="only visits of this kind"
    )
    visits.add_argument("--since", metavar="TIME", help="began then or later: 2026-11-30, 2026-11-30T18:00")
    visits.add_argument("--until", metavar="TIME", help="began before; of a day alone, until its end")
    visits.add_argument("--limit", type=int, default=50, metavar="N", help="at most (%(default)s)")
    visits.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are, and the history")
    visits.add_argument("--json", action="store_true", help="print the visits as one line of JSON")
    visits.set_defaults(command=_visits)

    predict = commands.add_parser("predict", help="name the people in pictures")
    predict.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    predict.add_argument("--json", action="store_true", help="print one line of JSON for each picture")
    predict.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are")
    predict.add_argument("--save-annotated", type=Path, metavar="DIR", help="draw the answers into copies")
    predict.set_defaults(command=_predict)

    find = commands.add_parser("find", help="find the people of a picture in those kept for review")
    find.add_argument("image", type=Path, metavar="IMAGE")
    find.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    find.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are")
    find.set_defaults(command=_find)

    forget = commands.add_parser("forget", help="remove a person: photos, models, caches, visits, entities")
    forget.add_argument("name", metavar="NAME", help="the person's name")
    _add_folders(forget)
    forget.add_argument("--yes", action="store_true", help="do not ask")
    forget.add_argument("--dry-run", action="store_true", help="show what would go, and remove nothing")
    # As the page's child, which does not know the broker: the service beside it does.
    forget.add_argument("--for-page", action="store_true", help=argparse.SUPPRESS)
    forget.add_argument("--for-house", action="store_true", help=argparse.SUPPRESS)
    forget.set_defaults(command=_forget)

    rename = commands.add_parser("rename", help="call a person otherwise; entities and visits stay")
    rename.add_argument("old", metavar="OLD", help="the person's name, or the folder's")
    rename.add_argument("new", metavar="NEW", help="the new name")
    _add_folders(rename)
    rename.set_defaults(command=_rename)

    check = commands.add_parser("check", help="try everything the service needs, and print what failed")
    check.set_defaults(command=_check)

    add_parsers(commands, _add_folders, _settings)

    bench = commands.add_parser("bench", help="measure how long each stage takes on this machine")
    bench.add_argument(
        "--image", type=Path, metavar="FILE", help="a picture with a face; by default a drawn one"
    )
    bench.add_argument(
        "--repeat", type=int, default=50, metavar="N", help="frames for each figure (%(default)s)"
    )
    bench.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    bench.set_defaults(command=_bench)

    demo = commands.add_parser("demo", help="see it work on drawn people, with nothing to set up")
    demo.add_argument("--forever", action="store_true", help="go on until interrupted, not for one minute")
    demo.set_defaults(command=_demo)
    return parser


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--enrollment", type=Path, metavar="DIR", help="one folder of photos a person")
    parser.add_argument("--model-dir", type=Path, metavar="DIR", help="where the models are kept")


def _settings(arguments: argparse.Namespace) -> Settings:
    """The settings, with what the command line overrides."""
    settings = load_settings(arguments.env_file)
    given = {
        "enrollment_dir": getattr(arguments, "enrollment", None),
        "model_dir": getattr(arguments, "model_dir", None),
    }
    return settings.model_copy(update={name: path for name, path in given.items() if path is not None})


def _run(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.service.run import run_service
    from facerec_mqtt.settings import configure_logging, settings_origin

    origin = settings_origin(arguments.env_file)
    settings = _settings(arguments).with_role(arguments.role)
    configure_logging(settings)
    return run_service(settings, origin, explain=arguments.explain)


def _rebuild(arguments: argparse.Namespace) -> int:
    if arguments.for_service:
        from facerec_mqtt.cli.enroll import rebuild_for_service

        return rebuild_for_service(_sentence)
    from facerec_mqtt.cli.enroll import rebuild_model

    return rebuild_model(_settings(arguments), force=arguments.force, as_json=arguments.json)


def _enroll_check(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.enroll import check_photos

    return check_photos(_settings(arguments), as_json=arguments.json)


def _capture(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.enroll import capture_photos

    return capture_photos(
        _settings(arguments),
        arguments.person,
        arguments.camera,
        count=arguments.count,
        seconds=arguments.seconds,
        as_json=arguments.json,
    )


def _evaluate(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.evaluate import evaluate

    return evaluate(arguments.folder, _settings(arguments), as_json=arguments.json, html=arguments.html)


def _models(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.models import list_models, roll_back

    model_dir = _settings(arguments).model_dir
    if arguments.action == "rollback":
        return roll_back(model_dir, arguments.version, as_json=arguments.json)
    if arguments.version is not None:
        raise FacerecError(
            f'"models list" takes no version, and was given "{arguments.version}"; leave it out.'
        )
    return list_models(model_dir, as_json=arguments.json)


def _visits(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.visits import list_visits

    return list_visits(
        _settings(arguments),
        person=arguments.person,
        camera=arguments.camera,
        kind=arguments.kind,
        since=arguments.since,
        until=arguments.until,
        limit=arguments.limit,
        as_json=arguments.json,
    )


def _predict(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.predict import predict

    return predict(
        arguments.images, _settings(arguments), as_json=arguments.json, annotated_dir=arguments.save_annotated
    )


def _find(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.predict import find

    return find(arguments.image, _settings(arguments), as_json=arguments.json)


def _forget(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.forget import forget_person, show_what_would_go

    if arguments.dry_run:
        return show_what_would_go(_settings(arguments), arguments.name)
    return forget_person(
        _settings(arguments),
        arguments.name,
        ask=not arguments.yes,
        at_broker=not arguments.for_page,
        for_house=arguments.for_house,
    )


def _rename(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.forget import rename

    return rename(_settings(arguments), arguments.old, arguments.new)


def _check(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.check import check

    return check(_settings(arguments))


def _bench(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.check import bench

    return bench(_settings(arguments), arguments.image, arguments.repeat, as_json=arguments.json)


def _demo(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.demo.show import run_demo

    return run_demo(arguments.env_file, forever=arguments.forever)
