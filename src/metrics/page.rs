//! The text of a scrape, in the format that Prometheus asks for.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::Registry,
};

use super::value::Histogram;

/// Writes the families of metrics that it has. A name belongs to one source.
pub trait Source: Debug + Send + Sync + 'static {
    /// Writes them to the text of a scrape. Fails only if the page cannot be written.
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result;
}

/// The text of a scrape while it is written.
#[derive(Debug)]
pub struct Page<'p, 'e>(&'p mut DescriptorEncoder<'e>);

/// The labels of a sample: names and values.
type Labels<'v, const N: usize> = [(&'static str, &'v str); N];

impl Page<'_, '_> {
    /// A counter without labels. Its name ends with `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [([], value)])
    }

    /// A counter with labels.
    pub fn counters<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'v, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(without_total(name), help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A counter that is no whole number.
    pub fn counter_of_seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(without_total(name), help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, f64, f64>(&value, None)
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges(name, help, [([], value)])
    }

    /// A gauge with labels.
    pub fn gauges<'v, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'v, N>, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A histogram with labels.
    pub fn histograms<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'v, N>, &'v Histogram)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in samples {
            let (sum, buckets) = histogram.read();
            // the count has to be that of the buckets, also while values are added
            let count = buckets.iter().map(|(_, count)| count).sum();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// The crate appends it, where the format wants it.
fn without_total(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// A format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text format 0.0.4, which people read as well.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The format that a header `Accept` prefers: `OpenMetrics` only if it is named.
    pub fn accepted(header: &str) -> Self {
        let (mut open_metrics, mut plain) = (0.0_f32, 0.0_f32);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let place = match parts.next() {
                Some(name) if name.eq_ignore_ascii_case("application/openmetrics-text") => &mut open_metrics,
                Some("*/*" | "text/*") => &mut plain,
                Some(name) if name.eq_ignore_ascii_case("text/plain") => &mut plain,
                _ => continue,
            };
            let quality: f32 = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            *place = quality.max(*place);
        }
        if open_metrics > 0.0 && open_metrics >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All sources of a page.
#[derive(Debug)]
struct Sources(Vec<Arc<dyn Source>>);

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|source| source.write(&mut Page(&mut encoder)))
    }
}

/// The text of a scrape.
pub fn encode(format: Format, sources: Vec<Arc<dyn Source>>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Sources(sources)));
    let mut page = String::with_capacity(64 * 1024);
    match format {
        Format::Prometheus => prometheus_text::encode(&mut page, &registry),
        Format::OpenMetrics => text::encode(&mut page, &registry),
    }?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Bounds, Counter};

    #[derive(Debug)]
    struct Example(Counter, Histogram);

    impl Source for Example {
        fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
            page.counters("a_total", "Counts.", [([("of", "x\"y\\\n")], self.0.value())])?;
            page.gauge("b", "Goes up and down.", 1.5)?;
            page.histograms("c", "Sizes.", [([], &self.1)])
        }
    }

    fn example() -> Vec<Arc<dyn Source>> {
        let example = Example(Counter::default(), Histogram::new(Bounds::whole(&[1])));
        example.0.add(3);
        example.1.observe(1);
        example.1.observe(7);
        vec![Arc::new(example)]
    }

    #[test]
    fn a_page_is_written_in_both_formats() {
        assert_eq!(
            encode(Format::Prometheus, example()).unwrap(),
            "# HELP a_total Counts.\n# TYPE a_total counter\na_total{of=\"x\\\"y\\\\\\n\"} 3\n\
             # HELP b Goes up and down.\n# TYPE b gauge\nb 1.5\n\
             # HELP c Sizes.\n# TYPE c histogram\nc_bucket{le=\"1\"} 1\nc_bucket{le=\"+Inf\"} 2\nc_sum 8.0\nc_count 2\n"
        );
        let open = encode(Format::OpenMetrics, example()).unwrap();
        assert!(open.starts_with("# HELP a Counts.\n# TYPE a counter\na_total{of=\"x\\\"y\\\\\\n\"} 3\n"), "{open}");
        assert!(open.ends_with("c_bucket{le=\"+Inf\"} 2\n# EOF\n"), "{open}");
    }

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text; version=1.0.0;q=0.6", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.5", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
