/** Builds the chart's tools into the user's cache folder: `node tools/chart/install-tools.mjs [tool …]`; all of them when none is named. */
import { TOOL_NAMES, installTool } from './chart-tools.mjs';

const names = process.argv.length > 2 ? process.argv.slice(2) : TOOL_NAMES;
try {
  for (const name of names) {
    const startTime = performance.now();
    const path = installTool(name);
    console.log(`${name}: ${path} (${((performance.now() - startTime) / 1000).toFixed(0)} s)`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
