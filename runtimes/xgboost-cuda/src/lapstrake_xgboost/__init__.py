"""MLServer's runtime for XGBoost models, on a GPU."""

from lapstrake_xgboost.model import XGBoostModel

__all__ = ["XGBoostModel"]
