//! Logarithms and powers that come out alike everywhere. Those of the standard library may differ from one processor or
//! version to the next, and what is decided by them with it; additions, multiplications and divisions may not.

use std::f64::consts::{LN_2, LOG2_E};

/// The logarithm to base 2 of a normal, positive number; accurate to twelve decimals.
pub(super) fn log2(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let exponent = f64::from(i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0) - 1023);
    let mantissa = f64::from_bits(bits & FRACTION | 1.0_f64.to_bits());
    // ln m = 2 artanh s, and s is at most a third.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..13_i32).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    exponent + 2.0 * s * series * LOG2_E
}

/// Two to the power of `x`, which is less than a thousand either way.
pub(crate) fn exp2(x: f64) -> f64 {
    let whole = x.floor();
    let rest = (x - whole) * LN_2;
    let series = (1..18_i32).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    let scale = 2.0_f64.powi(whole.abs().min(1000.0) as i32);
    if whole < 0.0 { series / scale } else { series * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_library_and_with_each_other() {
        for x in [1.0, 1.5, 1.999_999, 2.0, 3.0, 600_000.0, 2.6e9, 0.3, 1e-6] {
            assert!((log2(x) - f64::log2(x)).abs() < 1e-11, "log2({x}) = {}", log2(x));
            assert!((exp2(log2(x)) / x - 1.0).abs() < 1e-11, "{x} -> {}", exp2(log2(x)));
        }
        assert_eq!((exp2(0.0), exp2(3.0), exp2(-2.0)), (1.0, 8.0, 0.25));
    }
}
