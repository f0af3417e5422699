"""The API of what is on the disk: JSON below /api/v1; what is live is in `live.routes`."""

from fastapi import APIRouter

from facerec_mqtt.web.api import models, people, visits

router = APIRouter(prefix="/api/v1", tags=["household"])
for part in (visits, people, models):
    router.include_router(part.router)
