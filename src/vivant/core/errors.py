"""Every error a user can meet: what is wrong, what is needed, what to do."""


class VivantError(Exception):
    """Base of all errors that vivant raises on purpose."""

    exit_code = 1
    """What the command line returns when this error ends it."""


class BadInputError(VivantError):
    """The caller gave something that cannot be used."""

    exit_code = 2


class BadPhotoError(BadInputError):
    """The file is no picture, or a picture nothing can be made of."""


class NoPersonError(BadInputError):
    """No person was found, or too little of one."""

    exit_code = 3


class ManyPersonsError(BadInputError):
    """Several people are in the photo and none was chosen."""

    exit_code = 4


class BadFileError(BadInputError):
    """A file of ours is missing, truncated, hostile, or of another version."""


class OutputError(VivantError):
    """A result cannot be written: no permission, no room, no folder."""

    exit_code = 5


class MissingExtraError(VivantError):
    """Something asked for needs an optional part that is not installed."""

    exit_code = 6


class MissingWeightsError(VivantError):
    """An engine's weights are absent and may not be fetched."""

    exit_code = 6


class NumericalError(VivantError):
    """A step made a NaN or infinity; the message names the tensor."""

    exit_code = 7


class WorkerLostError(VivantError):
    """Processes that worked side by side were killed again and again."""

    exit_code = 8


class CancelledError(VivantError):
    """The user stopped the run; what was finished is kept."""

    exit_code = 130
