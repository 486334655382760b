"""Calibration of real runs: journals and published traces in, estimates and a verdict out."""

from experiments.calibration.report import (
    CalibrationError as CalibrationError,
    Report as Report,
    TaskReport as TaskReport,
    calibrate_runs as calibrate_runs,
)
