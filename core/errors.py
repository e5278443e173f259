"""The errors that a user is meant to read: one line that names what was wrong, where, and what to do."""


class FerError(Exception):
    """The work can't go on; the message is one line for the user."""


class ConfigError(FerError):
    """A flag or a key of the config file is wrong."""


class DatasetError(FerError):
    """The data set can't be read, or there is nothing in it to work on."""


class RunError(FerError):
    """A run directory is missing, damaged, or another process is writing it."""


class WeightsError(FerError):
    """Pretrained weights can't be had, or do not fit the model."""
