//! Traces and logs for a collector, by OTLP over HTTP: the cargo feature `otlp`. Where they go, with which
//! headers, how much of it, says the environment as OpenTelemetry's SDKs read it (`OTEL_*`).

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

/// So long the last of it may take, at the end.
const END_TIME: Duration = Duration::from_secs(5);
/// What we are called where the environment does not say (`OTEL_SERVICE_NAME`).
const SERVICE: &str = "rota";

/// What is told to a collector; the rest of it is sent when this goes.
#[derive(Debug)]
pub(super) struct Telemetry {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Telemetry {
    /// Begins to tell, by `http/protobuf` or `http/json`.
    pub(super) fn begin(protocol: &str) -> Result<Self, String> {
        let protocol = match protocol {
            "http/protobuf" => Protocol::HttpBinary,
            "http/json" => Protocol::HttpJson,
            other => {
                return Err(format!(
                    "OTEL_EXPORTER_OTLP_PROTOCOL is {other:?}: expected http/protobuf or http/json"
                ));
            }
        };
        // A second start in one process finds the first one's.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let faulty = |error: opentelemetry_otlp::ExporterBuildError| error.to_string();
        let spans = SpanExporter::builder().with_http().with_protocol(protocol);
        let spans = spans.build().map_err(faulty)?;
        let lines = LogExporter::builder().with_http().with_protocol(protocol);
        let lines = lines.build().map_err(faulty)?;
        let resource = resource();
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(spans)
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_resource(resource)
                .with_batch_exporter(lines)
                .build(),
        })
    }

    /// What hears of spans and of lines. Only ours: of what others log, some is a secret.
    pub(super) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        let ours = Targets::new().with_target("rota", Level::INFO);
        spans.and_then(lines).with_filter(ours)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Whoever does not take it in time hears no more of it; the house says elsewhere what matters.
        let _ = self.traces.shutdown_with_timeout(END_TIME);
        let _ = self.logs.shutdown_with_timeout(END_TIME);
    }
}

/// Who tells.
fn resource() -> Resource {
    let named = Resource::builder().build();
    let is_named = named.iter().any(|(key, value)| {
        key.as_str() == "service.name" && !value.as_str().starts_with("unknown")
    });
    let builder = Resource::builder();
    let builder = if is_named { builder } else { builder.with_service_name(SERVICE) };
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    builder.with_attribute(version).build()
}
