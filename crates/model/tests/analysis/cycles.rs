//! The examples E1 to E8: time for one request, exactly.

use brigade_model::marked_graph::{Claim, GraphError, Pipeline, Ring, slots_needed, tokens_needed};
use brigade_model::ratio::Ratio;

/// The time for one request as a ratio of whole units.
fn lambda(pipeline: &Pipeline) -> Result<Ratio, GraphError> {
    let cycle = pipeline.critical_cycle()?;
    Ok(cycle.expect("every stage is a cycle").lambda_ps)
}

fn is(pipeline: &Pipeline, numerator: i128, denominator: i128) {
    let wanted = Ratio::new(numerator, denominator).unwrap();
    assert_eq!(lambda(pipeline), Ok(wanted));
}

fn is_deadlock(pipeline: &Pipeline) {
    assert!(matches!(lambda(pipeline), Err(GraphError::Deadlock { .. })));
}

fn replicated(replicas: [i64; 3]) -> Pipeline {
    let mut pipeline = Pipeline::default();
    for (service, replicas) in [3, 5, 2].into_iter().zip(replicas) {
        pipeline.stage(service, replicas);
    }
    pipeline.ring(0, 1, Ring::FREE);
    pipeline.ring(1, 2, Ring::FREE);
    pipeline
}

#[test]
fn e1_the_slowest_stage_and_its_replicas() {
    is(&replicated([1, 1, 1]), 5, 1);
    is(&replicated([1, 2, 1]), 3, 1);
    is(&replicated([2, 2, 1]), 5, 2);
}

fn with_slots(slots: [i64; 2], claim: Claim, hop: i64) -> Pipeline {
    let mut pipeline = Pipeline::default();
    for service in [3, 5, 2] {
        pipeline.stage(service, 1);
    }
    for (at, slots) in slots.into_iter().enumerate() {
        pipeline.ring(
            at,
            at + 1,
            Ring {
                there_ps: hop,
                slots: Some((slots, claim, hop)),
                slip: 0,
            },
        );
    }
    pipeline
}

#[test]
fn e2_back_pressure_by_how_slots_are_held() {
    is(&with_slots([1, 1], Claim::WorkToEnd, 0), 8, 1);
    is(&with_slots([2, 1], Claim::WorkToEnd, 0), 7, 1);
    is(&with_slots([2, 2], Claim::WorkToEnd, 0), 5, 1);
    is(&with_slots([1, 1], Claim::PutToTake, 0), 5, 1);
    for (slots, lambda) in [(1, 12), (2, 6), (3, 5)] {
        is(&with_slots([slots, slots], Claim::PutToTake, 6), lambda, 1);
    }
}

#[test]
fn e3_a_feedback_loop_with_a_window_and_a_slip() {
    let with = |window, slip| {
        let mut pipeline = Pipeline::default();
        for service in [2, 3, 4] {
            pipeline.stage(service, 1);
        }
        pipeline.ring(0, 1, Ring::FREE);
        pipeline.ring(1, 2, Ring { slip, ..Ring::FREE });
        pipeline.window(0, 2, 1, window);
        pipeline
    };
    is_deadlock(&with(0, 0));
    for (window, lambda) in [(1, 10), (2, 5), (3, 4), (9, 4)] {
        is(&with(window, 0), lambda, 1);
    }
    is_deadlock(&with(1, 1));
    for (window, lambda) in [(2, 10), (3, 5), (4, 4)] {
        is(&with(window, 1), lambda, 1);
    }
}

#[test]
fn e4_a_bypass_beside_a_chain() {
    for (capacity, lambda) in [(1, 10), (2, 5), (3, 4)] {
        let mut pipeline = Pipeline::chain(&[1, 4, 4, 1]);
        let slots = Some((capacity, Claim::WorkToEnd, 0));
        pipeline.ring(
            0,
            3,
            Ring {
                slots,
                ..Ring::FREE
            },
        );
        is(&pipeline, lambda, 1);
    }
}

#[test]
fn e5_a_pool_of_pages() {
    for (pages, n, d) in [(1, 10, 1), (2, 5, 1), (3, 10, 3), (4, 3, 1)] {
        let mut pipeline = Pipeline::chain(&[1, 2, 3, 1]);
        pipeline.window(0, 3, 3, pages);
        is(&pipeline, n, d);
    }
}

#[test]
fn e6_a_disk_with_a_queue_depth() {
    for (window, depth, lambda) in [(1, 1, 20), (4, 1, 10), (4, 4, 5), (8, 4, 3)] {
        let mut pipeline = Pipeline::chain(&[2, 3, 2]);
        pipeline.stage(10, depth);
        pipeline.ring(2, 3, Ring::FREE);
        pipeline.window(0, 3, 3, window);
        is(&pipeline, lambda, 1);
    }
}

/// A source of 1 and a stage that works on `batch` together, for 6 and 1 each: one round of the
/// graph is a batch, and the window holds whole batches.
fn batched(batch: i64, window: i64) -> Pipeline {
    let mut pipeline = Pipeline::chain(&[batch, 6 + batch]);
    pipeline.window(0, 1, 0, window / batch);
    pipeline
}

#[test]
fn e7_a_batch_in_a_window() {
    let each = |batch, window| {
        let lambda = lambda(&batched(batch, window)).unwrap();
        lambda
            .times(Ratio::new(1, i128::from(batch)).unwrap())
            .unwrap()
    };
    assert_eq!(each(1, 1), Ratio::whole(8));
    assert_eq!(each(1, 2), Ratio::whole(7));
    assert_eq!(each(4, 4), Ratio::new(7, 2).unwrap());
    assert_eq!(each(4, 8), Ratio::new(5, 2).unwrap());
    is_deadlock(&batched(4, 2));
}

#[test]
fn e8_hops_in_a_window() {
    for (window, n, d) in [(1, 21, 1), (5, 21, 5), (6, 4, 1)] {
        let mut pipeline = Pipeline::default();
        for service in [2, 3, 4] {
            pipeline.stage(service, 1);
        }
        let ring = Ring {
            there_ps: 4,
            ..Ring::FREE
        };
        pipeline.ring(0, 1, ring);
        pipeline.ring(1, 2, ring);
        pipeline.window(0, 2, 4, window);
        is(&pipeline, n, d);
    }
    // All fused: one stage of 9.
    is(&Pipeline::chain(&[9]), 9, 1);
}

#[test]
fn the_critical_cycle_is_named_and_a_graph_without_cycles_has_none() {
    let mut pipeline = Pipeline::chain(&[2, 3, 4]);
    pipeline.window(0, 2, 1, 1);
    let cycle = pipeline.critical_cycle().unwrap().unwrap();
    let edges = &pipeline.graph().edges;
    let weights: i64 = cycle.edges.iter().map(|edge| edges[*edge].weight_ps).sum();
    assert_eq!(weights, 10);
    for pair in cycle.edges.windows(2) {
        assert_eq!(edges[pair[0]].to, edges[pair[1]].from);
    }
    let mut graph = brigade_model::marked_graph::MarkedGraph::default();
    let (a, b) = (graph.transition(), graph.transition());
    graph.edge(a, b, 5, 0);
    assert_eq!(
        brigade_model::marked_graph::critical_cycle(&graph),
        Ok(None)
    );
    graph.edge(a, 7, 5, 0);
    let error = brigade_model::marked_graph::critical_cycle(&graph);
    assert_eq!(error, Err(GraphError::Unknown { edge: 1 }));
}

#[test]
fn knees_and_ring_sizes() {
    assert_eq!(tokens_needed(21, Ratio::whole(4)), Some(6));
    assert_eq!(tokens_needed(20, Ratio::whole(4)), Some(5));
    assert_eq!(slots_needed(6, 6, Ratio::whole(5)), Some(3));
    assert_eq!(tokens_needed(1, Ratio::ZERO), None);
}
