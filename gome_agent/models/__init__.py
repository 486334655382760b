"""Language models: any provider through litellm, roles, prices, caps, a server to rehearse."""

from gome_agent.models._capped import Capped as Capped, Metered as Metered
from gome_agent.models._litellm import LiteLLMModel as LiteLLMModel
from gome_agent.models._prices import Prices as Prices, Quote as Quote
from gome_agent.models._retry import Timing as Timing
from gome_agent.models._roles import (
    PURPOSES as PURPOSES,
    Roles as Roles,
    build_model as build_model,
)
from gome_agent.models.base import (
    Exchange as Exchange,
    Model as Model,
    ModelError as ModelError,
    ModelMisconfigured as ModelMisconfigured,
    ModelUnavailable as ModelUnavailable,
    Request as Request,
    RequestRefused as RequestRefused,
    Usage as Usage,
)
