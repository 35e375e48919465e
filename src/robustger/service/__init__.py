"""The HTTP service: OpenAI's interface for transcriptions, and our own for corrections and jobs.

`create_app` makes the application; `robustger serve` runs it. A request passes through these files:

1. `gate`: key, request id, size and time of the upload, one line of log
2. `parameters`: the form's fields, checked by OpenAI's rules
3. `recordings`: reads the recording, and waits for its segments
4. `batching`: the one thread that holds the models, and takes excerpts of all requests in batches
5. `answers`: the JSON of the answer, or `events` where it is streamed
"""

from robustger.service.app import create_app
from robustger.service.settings import ServiceSettings

__all__ = ["ServiceSettings", "create_app"]
