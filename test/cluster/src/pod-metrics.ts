import type { Kubernetes, Pod } from './kubernetes.js';

const FETCH = `fetch('http://127.0.0.1:9091/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`;

/** Sum of metrics over their labels, as a pod's own metrics tell them; undefined when the pod is gone or does not answer. */
export async function metricOf(kubernetes: Kubernetes, pod: Pod, ...metrics: readonly string[]): Promise<number | undefined> {
  const { exitCode, stdout } = await kubernetes.attemptExec(pod.metadata.name, ['/usr/local/bin/node', '-e', FETCH], { timeoutMs: 15_000 });
  return exitCode === 0 ? metrics.reduce((sum, metric) => sum + sumOf(stdout, metric), 0) : undefined;
}

/** Sum of all samples of a metric in Prometheus' text format. */
export function sumOf(text: string, metric: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
    .reduce((sum, line) => sum + Number(/ (\S+)(?: \d+)?$/.exec(line.split(' # ')[0]!.trim())?.[1] ?? 0), 0);
}
