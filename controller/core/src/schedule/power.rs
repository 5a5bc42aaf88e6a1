//! Logarithms and powers that come out alike everywhere. Those of the standard library may differ from one processor or
//! version to the next, and what is decided by them with it; additions, multiplications and divisions may not.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

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

/// Two to the power of each sixteenth.
const SIXTEENTHS: [f64; 16] = [
    1.0,
    1.044_273_782_427_413_8,
    1.090_507_732_665_257_7,
    1.138_788_634_756_691_6,
    1.189_207_115_002_721,
    1.241_857_812_073_484,
    1.296_839_554_651_009_6,
    1.354_255_546_936_892_7,
    SQRT_2,
    1.476_826_145_939_499_3,
    1.542_210_825_407_940_7,
    1.610_490_331_949_254_3,
    1.681_792_830_507_429,
    1.756_252_160_373_299_5,
    1.834_008_086_409_342_4,
    1.915_206_561_397_147_4,
];

/// Two to the power of `x`, which is less than a thousand either way; accurate to fifteen digits. Whoever is scored in
/// a pass is scored with it.
pub(crate) fn exp2(x: f64) -> f64 {
    let sixteenths = (x * 16.0).floor();
    let rest = (x - sixteenths / 16.0) * LN_2;
    // e to the power of what is less than a twentieth.
    let terms = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let series = terms.into_iter().fold(0.0, |sum, term| sum * rest + term);
    let sixteenths = sixteenths.clamp(-16_000.0, 16_000.0) as i64;
    let part = SIXTEENTHS[(sixteenths & 15) as usize];
    let scale = f64::from_bits(((sixteenths >> 4) + 1023).cast_unsigned() << 52);
    series * part * scale
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
        for x in [-999.9, -64.01, -1.7, -0.3, -1e-9, 0.0, 0.03, 0.5, 0.99, 3.2, 100.4, 999.9] {
            assert!((exp2(x) / f64::exp2(x) - 1.0).abs() < 2e-15, "exp2({x}) = {}", exp2(x));
        }
        assert_eq!((exp2(0.0), exp2(3.0), exp2(-2.0)), (1.0, 8.0, 0.25));
    }
}
