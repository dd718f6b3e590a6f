import { configurationReference as renderConfiguration } from '../../services/all/dist/config-sections.js';

/** docs/reference/configuration.md. */
export function configurationReference() {
  return renderConfiguration();
}
