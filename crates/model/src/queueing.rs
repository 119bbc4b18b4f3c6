//! Queueing laws for closed and open pipelines whose times are by chance.
//!
//! `demand` is the time that one request needs of a station in all (its visits times its service).

use crate::ratio::Ratio;

/// A closed network at one number of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Requests in a unit of time.
    pub throughput: Ratio,
    /// Time of one request at each station.
    pub residence: Vec<Ratio>,
    /// Mean number of requests at each station.
    pub queue: Vec<Ratio>,
}

/// Exact mean value analysis (Reiser and Lavenberg, 1980) of `clients` clients that think for
/// `think` between requests: R = D (1 + Q of one client less), X = N / (sum of R + Z), Q = X R.
/// None when there is no client, or the numbers do not fit.
pub fn mean_value_analysis(demands: &[Ratio], think: Ratio, clients: u64) -> Option<Closed> {
    let mut queue = vec![Ratio::ZERO; demands.len()];
    let mut last = None;
    for count in 1..=clients {
        let mut residence = Vec::new();
        let mut round = think;
        for (demand, waiting) in demands.iter().zip(&queue) {
            let time = demand.times(waiting.plus(Ratio::whole(1))?)?;
            round = round.plus(time)?;
            residence.push(time);
        }
        let throughput = Ratio::whole(i128::from(count)).times(round.inverse()?)?;
        queue = residence
            .iter()
            .map(|time| throughput.times(*time))
            .collect::<Option<_>>()?;
        last = Some(Closed {
            throughput,
            residence,
            queue: queue.clone(),
        });
    }
    last
}

/// Throughput of a closed network is at most min(1 / largest demand, N / (sum of demands + Z))
/// (Denning and Buzen, 1978).
pub fn throughput_bound(demands: &[f64], think: f64, clients: f64) -> f64 {
    let largest = demands.iter().copied().fold(0.0, f64::max);
    let sum: f64 = demands.iter().sum();
    (1.0 / largest).min(clients / (sum + think))
}

/// The number of clients from which on some station must queue: N* = (sum of D + Z) / largest D.
pub fn saturation_clients(demands: &[f64], think: f64) -> f64 {
    let largest = demands.iter().copied().fold(0.0, f64::max);
    (demands.iter().sum::<f64>() + think) / largest
}

/// One server with random arrivals and random services: M/M/1.
pub mod mm1 {
    /// Mean number in the system at utilisation `rho`.
    pub fn number(rho: f64) -> f64 {
        rho / (1.0 - rho)
    }

    /// Mean time in the system at service rate `mu`.
    pub fn time(rho: f64, mu: f64) -> f64 {
        1.0 / (mu * (1.0 - rho))
    }

    /// The time that `share` of the requests stay below: it is exponentially distributed.
    pub fn time_quantile(rho: f64, mu: f64, share: f64) -> f64 {
        -(1.0 - share).ln() * time(rho, mu)
    }

    /// The share that is lost when at most `places` are in the system: M/M/1/K.
    pub fn loss(rho: f64, places: i32) -> f64 {
        (1.0 - rho) * rho.powi(places) / (1.0 - rho.powi(places + 1))
    }
}

/// Mean wait with random arrivals and equal services of length 1: M/D/1 (Pollaczek and Khinchin).
pub fn md1_wait(rho: f64) -> f64 {
    rho / (2.0 * (1.0 - rho))
}

/// The share of requests that wait with `servers` servers and an offered load of `load` servers:
/// Erlang's C.
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    // B by its recursion, then C from B.
    let b = (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let rho = load / f64::from(servers);
    b / (1.0 - rho + rho * b)
}

/// Throughput of two stages that are never out of work and of room, with exponential services of
/// rates `mu`, joined by a ring of `slots`; each may hold one more.
pub fn two_saturated(mu: [f64; 2], slots: i32) -> f64 {
    // The number between them is a birth-death process with slots + 3 states.
    let ratio = mu[0] / mu[1];
    let states = slots + 3;
    let sum: f64 = (0..states).map(|n| ratio.powi(n)).sum();
    mu[1] * (1.0 - 1.0 / sum)
}
