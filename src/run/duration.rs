//! Durations in a readable form.

/// `45s`, `3m 20s`, `2h 05m`, `3d 04h`.
pub fn duration_text(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".into();
    }
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3600..86400 => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {:02}h", whole / 86400, whole % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let texts: Vec<String> = [0.4, 59.4, 61.0, 3600.0, 90061.0, -1.0, f64::NAN].map(duration_text).into();
        assert_eq!(texts, ["0s", "59s", "1m 01s", "1h 00m", "1d 01h", "0s", "?"]);
    }
}
