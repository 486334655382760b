"""Language models: any provider through litellm, recorded and replayed exchanges, prices, roles."""

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
