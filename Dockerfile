# The service on a CPU: docker build -t robustger . && docker run -p 8000:8000 robustger
# compose.yaml starts it with a volume for jobs and models, and shows what changes for a GPU.
FROM python:3.12-slim

# Wheels of torch for CPUs only are a tenth of the size; for a GPU build with --build-arg TORCH=https://pypi.org/simple
ARG TORCH=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 1000 robustger
WORKDIR /app
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src ./src
# The models of the presets are a part of the image.
ENV ROBUSTGER_CACHE=/opt/robustger-models
RUN pip install --no-cache-dir --index-url "$TORCH" torch \
    && pip install --no-cache-dir -c constraints.txt ".[serve]" \
    && robustger models fetch smollm2-135m \
    && robustger models fetch whisper-base \
    && robustger models fetch whisper-tiny.en \
    && chmod -R a+rX "$ROBUSTGER_CACHE"

USER robustger
RUN mkdir -p /home/robustger/state /home/robustger/.cache
ENV ROBUSTGER_HOST=0.0.0.0 \
    ROBUSTGER_PORT=8000 \
    ROBUSTGER_JOBS_FOLDER=/home/robustger/state/jobs
EXPOSE 8000
VOLUME ["/home/robustger/state", "/home/robustger/.cache"]
HEALTHCHECK --interval=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready')"]
# SIGTERM lets it finish what it has accepted; give docker stop the time for that: --time 120
ENTRYPOINT ["robustger", "serve"]
