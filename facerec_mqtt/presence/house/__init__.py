"""Who is in a house that several boxes watch. Pure: nothing here reads a clock or sends anything.

claims      what one box sees, as it is published
boxes       what is known of all boxes, whatever the order in which it came
merging     who is in the house by all of that
announcing  what the one box that speaks for the house publishes, and when
"""

from facerec_mqtt.presence.house.announcing import (
    Announcements,
    Arrived,
    Departed,
    Gone,
    KnownState,
    Published,
    State,
    parse_state,
)
from facerec_mqtt.presence.house.boxes import Boxes
from facerec_mqtt.presence.house.claims import BoxClaims, Claim, ClaimsError, OwnClaims, parse_claims
from facerec_mqtt.presence.house.merging import BoxView, Member, merge

__all__ = [
    "Announcements",
    "Arrived",
    "BoxClaims",
    "BoxView",
    "Boxes",
    "Claim",
    "ClaimsError",
    "Departed",
    "Gone",
    "KnownState",
    "Member",
    "OwnClaims",
    "Published",
    "State",
    "merge",
    "parse_claims",
    "parse_state",
]
