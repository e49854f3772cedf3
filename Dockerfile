# dabench on a CPU:      docker build -t dabench .
# and on an NVIDIA GPU:  docker build -t dabench --build-arg JAX='jax[cuda13]' .
# Then:                  docker run --rm -v "$PWD:/work" dabench run temp_4deg
#                        (on a GPU with: --gpus all)
FROM python:3.12-slim

ARG JAX=jax
WORKDIR /src
COPY pyproject.toml README.md ./
COPY dabench dabench
COPY scenarios scenarios
COPY baselines baselines
RUN pip install --no-cache-dir '.[era5,tune]' "$JAX" && rm -rf /src/*

RUN useradd --create-home --uid 1000 dabench && mkdir /work && chown dabench /work
USER dabench
WORKDIR /work
VOLUME /work
ENTRYPOINT ["dabench"]
CMD ["--help"]
