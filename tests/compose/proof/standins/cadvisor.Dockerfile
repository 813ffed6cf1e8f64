# Stands in for cAdvisor's own image: that of Debian 11 (0.38 instead of 0.52), the last release that has it.
FROM python:3.11-slim
# debootstrap left the base image's own sources in one-line form: the same mirror has the older release.
RUN sed 's/bookworm/bullseye/g' /etc/apt/sources.list >/etc/apt/sources.list.d/bullseye.list \
    && apt-get update -qq && apt-get install -y -qq --no-install-recommends wget && apt-get download -qq cadvisor/bullseye \
    && dpkg -x cadvisor_*.deb /unpacked && rm -rf cadvisor_*.deb /var/lib/apt/lists/*
ENTRYPOINT ["/unpacked/usr/bin/cadvisor", "--listen_ip=0.0.0.0"]
