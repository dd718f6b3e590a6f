/** Writes the chart's README.md from README.md.gotmpl and the comments of values.yaml: `node tools/chart/write-readme.mjs`. */
import { execFileSync } from 'node:child_process';
import { installTool } from './chart-tools.mjs';
import { CHART } from './rendered-chart.mjs';

execFileSync(installTool('helm-docs'), ['--chart-search-root', CHART, '--log-level', 'error'], { stdio: 'inherit' });
