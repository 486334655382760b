"""An offline reasoner for tabular tasks: needs no key, no network and no model."""

from gome_agent.reasoners.expert.expert import Expert as Expert
from gome_agent.reasoners.expert.plan import NoPlan as NoPlan, Plan as Plan
from gome_agent.reasoners.expert.render import render as render
