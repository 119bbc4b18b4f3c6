//! From a profile to numbers for one request.

use brigade_model::Error;
use brigade_model::network::{Load, Network, requests_per_s};
use brigade_model::profile::Profile;

const WINDOW: &str = include_str!("../profiles/window.json");

fn profile() -> Profile {
    Profile::parse(WINDOW, "window.json").expect("the example is right")
}

#[test]
fn busy_time_for_one_request_is_the_busy_share_over_the_rate() {
    let profile = profile();
    let network = Network::from_profile(&profile).unwrap();
    assert_eq!(requests_per_s(&profile), 10_000.0);
    for (index, stage) in profile.stages.iter().enumerate() {
        let busy: f64 = stage.replicas.iter().map(|r| r.times.busy_ratio).sum();
        let steps = network.routes.iter().flat_map(|route| &route.steps);
        let own = steps.filter(|step| step.stage == index);
        let found: f64 = own.map(|step| step.service.mean_ps()).sum();
        let crossing = 3.0 * 60.0 + 60.0;
        let wanted = busy / 10_000.0 * 1e12 - crossing * 1e3;
        // Without what it cost that the two are on different cores.
        assert!(
            (found / wanted - 1.0).abs() < 0.001,
            "{}: {found} {wanted}",
            stage.name
        );
    }
}

#[test]
fn a_request_goes_there_and_back() {
    let network = Network::from_profile(&profile()).unwrap();
    assert_eq!(network.routes.len(), 1);
    let way: Vec<usize> = network.routes[0].steps.iter().map(|s| s.stage).collect();
    assert_eq!(way, [0, 1, 0]);
    assert_eq!(network.windows[0].tokens, 4);
    assert!(matches!(network.load, Load::Closed { clients: None, .. }));
}

#[test]
fn what_is_inside_a_stage_beyond_its_work_is_held() {
    let network = Network::from_profile(&profile()).unwrap();
    // 3.5 inside less 0.3 busy, at 10,000 a second.
    assert_eq!(network.routes[0].steps[1].latency_ps, 320_000_000);
}

#[test]
fn nothing_follows_from_a_run_in_which_nothing_passed() {
    let mut profile = profile();
    profile.windows[0].completions_per_s = 0.0;
    for ring in profile.edges.iter_mut().flat_map(|edge| &mut edge.rings) {
        ring.messages_per_s = 0.0;
    }
    let error = Network::from_profile(&profile).unwrap_err();
    assert!(matches!(error, Error::NoRequests { .. }));
}
