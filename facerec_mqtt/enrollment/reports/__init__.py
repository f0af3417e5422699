"""What a rebuild found, for people: sentences, a page, plots.

- `photo_report`, `audit_report`, `rebuild_report`: the facts, typed, and as JSON
- `advice`: the next step for each person
- `sentences`: what people read
- `html` with `templates/` and `plots`: the report as a page
- `summary`: a rebuild in one sentence for MQTT; all that the service imports of this package
"""

from facerec_mqtt.enrollment.reports.advice import FEW_PHOTOS
from facerec_mqtt.enrollment.reports.audit_report import AuditReport
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport, photos_of
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport, outcomes_as_json
from facerec_mqtt.enrollment.reports.sentences import (
    confusable_people,
    no_usable_photo,
    rate_text,
    resembling_strangers,
)

__all__ = [
    "FEW_PHOTOS",
    "AuditReport",
    "PhotoReport",
    "RebuildReport",
    "confusable_people",
    "no_usable_photo",
    "outcomes_as_json",
    "photos_of",
    "rate_text",
    "resembling_strangers",
]
