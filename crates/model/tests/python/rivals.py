"""Four networks without a closed form, run by simulators that are not Brigade's: ciw and simpy.

    pip install ciw simpy
    python3 rivals.py

Prints for each network its name, the throughput per unit of time and the mean time of a request in
it, as means over SEEDS runs. The networks are those of tests/simulation/rivals.rs.
"""

import random
import sys

try:
    import ciw
    import simpy
except ImportError as error:
    print(f"MISSING {error.name}")
    sys.exit(0)

SEEDS = range(1, 6)
REQUESTS = 20_000
WARM_UP = 2_000
# Service times with a long tail, mean 1.
VALUES, CHANCES = [0.5, 3.0], [0.8, 0.2]


def of_records(simulation):
    """Throughput and time in the network of a run of ciw, by the requests after the warm-up."""
    begins, ends = {}, {}
    for record in simulation.get_all_records():
        who = record.id_number
        begins[who] = min(begins.get(who, float("inf")), record.arrival_date)
        ends[who] = max(ends.get(who, 0.0), record.exit_date)
    order = sorted(ends, key=ends.get)[WARM_UP:REQUESTS]
    elapsed = ends[order[-1]] - ends[order[0]]
    times = [ends[who] - begins[who] for who in order]
    return (len(order) - 1) / elapsed, sum(times) / len(times)


def run_ciw(network, seed):
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(REQUESTS)
    return of_records(simulation)


def tandem(seed):
    """Exponential, fixed and bimodal services in a row, with arrivals at random."""
    return run_ciw(
        ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(rate=0.7), None, None],
            service_distributions=[
                ciw.dists.Exponential(rate=1.0),
                ciw.dists.Deterministic(value=1.0),
                ciw.dists.Pmf(VALUES, CHANCES),
            ],
            routing=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
            number_of_servers=[1, 1, 1],
        ),
        seed,
    )


def replicas(seed):
    """A quick stage before two replicas; each request joins the shorter queue."""
    shorter = ciw.routing.JoinShortestQueue(destinations=[2, 3])
    leave = ciw.routing.Leave()
    return run_ciw(
        ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(rate=1.5), None, None],
            service_distributions=[
                ciw.dists.Deterministic(value=0.1),
                ciw.dists.Pmf(VALUES, CHANCES),
                ciw.dists.Pmf(VALUES, CHANCES),
            ],
            routing=ciw.routing.NetworkRouting(routers=[shorter, leave, leave]),
            number_of_servers=[1, 1, 1],
        ),
        seed,
    )


def run_simpy(environment, done):
    """Runs until enough are done; `done` gets (begin, end) of each."""
    while len(done) < REQUESTS:
        environment.step()
    counted = done[WARM_UP:]
    elapsed = counted[-1][1] - counted[0][1]
    times = [end - begin for begin, end in counted]
    return (len(counted) - 1) / elapsed, sum(times) / len(times)


def window(seed):
    """Five tokens around three exponential stages, with hops of 4."""
    draw = random.Random(seed)
    environment = simpy.Environment()
    stages = [simpy.Resource(environment) for _ in range(3)]
    done = []

    def token():
        while True:
            begin = environment.now
            for stage, mean in zip(stages, [2.0, 3.0, 4.0]):
                with stage.request() as turn:
                    yield turn
                    yield environment.timeout(draw.expovariate(1.0 / mean))
                yield environment.timeout(4.0)
            # The first stage takes the answer, which costs nothing but its turn.
            with stages[0].request() as turn:
                yield turn
            done.append((begin, environment.now))

    for _ in range(5):
        environment.process(token())
    return run_simpy(environment, done)


def rings(seed):
    """Three saturated stages and rings of two slots; a slot is claimed before the work."""
    draw = random.Random(seed)
    environment = simpy.Environment()
    stages = [simpy.Resource(environment) for _ in range(3)]
    rooms = [simpy.Container(environment, capacity=2, init=2) for _ in range(2)]
    done = []

    def request():
        begin = environment.now
        for i, stage in enumerate(stages):
            with stage.request() as turn:
                yield turn
                if i < 2:
                    yield rooms[i].get(1)
                if i > 0:
                    yield rooms[i - 1].put(1)
                if i == 1:
                    yield environment.timeout(draw.expovariate(1.0))
                else:
                    yield environment.timeout(draw.choices(VALUES, CHANCES)[0])
        done.append((begin, environment.now))
        environment.process(request())

    for _ in range(12):
        environment.process(request())
    return run_simpy(environment, done)


for network in [tandem, replicas, window, rings]:
    runs = [network(seed) for seed in SEEDS]
    throughput, latency = (sum(figure) / len(runs) for figure in zip(*runs))
    print(network.__name__, throughput, latency, flush=True)
