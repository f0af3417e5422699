"""What a rebuild found, for people: sentences, a page, plots.

- `photo_report`, `audit_report`, `rebuild_report`: the facts, typed, and as JSON
- `advice`: the next step for each person
- `sentences`: what people read
- `html` with `templates/` and `plots`: the report as a page
- `summary`: a rebuild in one sentence for MQTT; all that the service imports of this package
"""
