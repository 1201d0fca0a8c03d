"""What the routes of `/api/v1` answer, field by field: the source of `web/openapi.json`. One file per area."""
