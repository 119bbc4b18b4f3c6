//! The queueing tables.

use brigade_model::queueing::{
    erlang_c, md1_wait, mean_value_analysis, mm1, saturation_clients, throughput_bound,
    two_saturated,
};
use brigade_model::ratio::Ratio;

fn close(found: f64, wanted: f64) {
    assert!(
        (found - wanted).abs() < 1e-6 * wanted.abs().max(1.0),
        "{found}, not {wanted}"
    );
}

fn whole(numbers: &[i128]) -> Vec<Ratio> {
    numbers.iter().map(|number| Ratio::whole(*number)).collect()
}

#[test]
fn mean_value_analysis_is_exact() {
    let demands = whole(&[2, 3, 5]);
    let exact = [(1, 10), (10, 69), (69, 410), (410, 2261), (17, 90)];
    for (clients, (n, d)) in (1..).zip(exact) {
        let found = mean_value_analysis(&demands, Ratio::ZERO, clients).unwrap();
        assert_eq!(Some(found.throughput), Ratio::new(n, d));
    }
    let thinking = [(1, 20), (20, 219), (657, 5300), (5300, 35683)];
    for (clients, (n, d)) in (1..).zip(thinking) {
        let found = mean_value_analysis(&demands, Ratio::whole(10), clients).unwrap();
        assert_eq!(Some(found.throughput), Ratio::new(n, d));
    }
    for clients in 1..6 {
        let found = mean_value_analysis(&whole(&[1, 1, 1]), Ratio::ZERO, clients).unwrap();
        let clients = i128::from(clients);
        assert_eq!(Some(found.throughput), Ratio::new(clients, clients + 2));
    }
}

#[test]
fn bounds_and_the_saturation_point() {
    close(saturation_clients(&[2.0, 3.0, 5.0], 0.0), 2.0);
    close(saturation_clients(&[2.0, 3.0, 5.0], 10.0), 4.0);
    close(throughput_bound(&[2.0, 3.0, 5.0], 0.0, 1.0), 0.1);
    close(throughput_bound(&[2.0, 3.0, 5.0], 0.0, 9.0), 0.2);
}

#[test]
fn single_stations() {
    close(mm1::number(0.8), 4.0);
    close(mm1::time(0.8, 1.0), 5.0);
    close(mm1::time(0.8, 1.0) - 1.0, 4.0);
    assert!((mm1::time_quantile(0.8, 1.0, 0.99) - 23.026).abs() < 1e-3);
    close(md1_wait(0.8), 2.0);
    close(0.8 * (md1_wait(0.8) + 1.0), 12.0 / 5.0);
    close(mm1::loss(0.8, 4), 256.0 / 2101.0);
    let waits = erlang_c(2, 1.5);
    close(waits, 9.0 / 14.0);
    let wait = waits / (2.0 - 1.5);
    close(wait, 9.0 / 7.0);
    close(1.5 * wait + 1.5, 24.0 / 7.0);
}

#[test]
fn two_stages_that_are_never_out_of_work() {
    for slots in [0, 1, 8, 64] {
        let exact = f64::from(slots + 2) / f64::from(slots + 3);
        close(two_saturated([1.0, 1.0], slots), exact);
    }
    close(two_saturated([1.0, 1.0], 64), 66.0 / 67.0);
    close(two_saturated([1.0, 2.0], 2), 30.0 / 31.0);
    close(two_saturated([2.0, 1.0], 2), 30.0 / 31.0);
}
