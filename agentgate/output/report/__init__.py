"""The report: one HTML page that needs nothing else. `page` fills the template, `charts` draws, `values` cuts long values."""
