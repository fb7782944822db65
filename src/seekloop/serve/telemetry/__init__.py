"""What the gateway tells about itself: figures for Prometheus, spans for OpenTelemetry."""
