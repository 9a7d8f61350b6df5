"""Calibrations by what they hold for."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.answer_models import Calibration, CalibrationKey
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.schema import calibrations
from tasks.models import derive_id


class DatabaseCalibrations:
    """One calibration a key; fitting again replaces it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_calibration(self, key: CalibrationKey) -> Calibration | None:
        """The one fitted for exactly this; None when nobody did."""
        query = sa.select(calibrations.c.calibration).where(calibrations.c.calibration_id == _derive_key(key))
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else Calibration.model_validate(found)

    def write_calibration(self, key: CalibrationKey, calibration: Calibration) -> None:
        """Keep it, from the next answer on."""
        row = {
            "calibration_id": _derive_key(key),
            "key": key.model_dump(mode="json"),
            "calibration": calibration.model_dump(mode="json"),
            "fitted_at": calibration.fitted_at,
        }
        with self._database.write() as connection:
            upsert(connection, calibrations, [row])


def _derive_key(key: CalibrationKey) -> str:
    return derive_id("calibration", key.collection, key.generator, key.adapter)
