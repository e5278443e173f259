"""The codes of warnings, as stored in runs and printed in tables."""

NEAR_PURE_BATCHES = "near_pure_batches"
ENCODING_DIFFERS = "encoding_differs"
NAN = "nan"
PARTIAL_VALIDATION = "partial_validation"
CLASS_SHARE = "class_share"
CONSTANT_ANSWER = "constant_answer"
NOT_ABOVE_MAJORITY = "not_above_majority"
CHOSEN_EPOCH = "chosen_epoch"
# A warning of a comparison, not of a run: the table's rows use different data.
DIFFERENT_DATA = "different_data"
