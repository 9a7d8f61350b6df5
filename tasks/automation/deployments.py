"""prefect.yaml, read and checked before a server hears of it: everything wrong is told at once, with its line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from tasks.deployment_models import DeploymentFile
from tasks.errors import ConfigurationError
from tasks.yaml_lines import LinedYaml, YamlFault, read_yaml

TIME_ZONE = "{{ $EXPERTLOOP_TIME_ZONE }}"
"""Written as Prefect writes environment variables."""


def read_deployments(place: Path, *, time_zone: str) -> DeploymentFile:
    """Read and check a prefect.yaml.

    Args:
        place: The file.
        time_zone: Stands where the file names EXPERTLOOP_TIME_ZONE.

    Raises:
        ConfigurationError: It cannot be read, or says what nobody understands.
    """
    try:
        text = place.read_text(encoding="utf-8").replace(TIME_ZONE, time_zone)
        read = read_yaml(text)
        file = DeploymentFile.model_validate(read.data)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {place}: {error}", advice="name the file with --file") from error
    except YamlFault as fault:
        raise _refuse(place, [(fault.line, str(fault))]) from fault
    except ValidationError as error:
        raise _refuse(place, [*read.faults, *_list_faults(read, error)]) from error
    faults = [*read.faults, *_find_strangers(read, file)]
    if faults:
        raise _refuse(place, faults)
    return file


def _list_faults(read: LinedYaml, error: ValidationError) -> list[tuple[int, str]]:
    return [(read.find_line(one["loc"]), f"{'.'.join(map(str, one['loc']))}: {one['msg']}") for one in error.errors()]


def _find_strangers(read: LinedYaml, file: DeploymentFile) -> list[tuple[int, str]]:
    """What no schema can say: pools that are not there, names that are there twice."""
    pools = {pool.name for pool in file.work_pools}
    faults = [
        (read.find_line(("deployments", number, "work_pool", "name")), f"there is no work pool {one.work_pool.name!r}")
        for number, one in enumerate(file.deployments)
        if one.work_pool.name not in pools
    ]
    names = [one.name for one in file.deployments]
    return faults + [
        (read.find_line(("deployments", number, "name")), f"there is a deployment {name!r} already")
        for number, name in enumerate(names)
        if name in names[:number]
    ]


def _refuse(place: Path, faults: list[tuple[int, str]]) -> ConfigurationError:
    told = "; ".join(f"line {line}: {fault}" for line, fault in sorted(set(faults))[:20])
    return ConfigurationError(f"{place}: {told}", advice="correct these lines; docs/deploy.md describes the file")
