/** Calls about webhooks. */
import { call } from "../api";
import type { Page } from "../wire";
import type { Delivery, NewWebhook, Webhook, WebhookSecret } from "./wire";

const of = (id: string) => `webhooks/${encodeURIComponent(id)}`;

export const webhooks = () => call<Page<Webhook>>("GET", "webhooks");
export const addWebhook = (body: NewWebhook) => call<WebhookSecret>("POST", "webhooks", { body });
export const changeWebhook = (id: string, body: Partial<NewWebhook>) =>
  call<Webhook>("PATCH", of(id), { body });
export const removeWebhook = (id: string) => call<void>("DELETE", of(id));
export const rotateWebhook = (id: string) => call<WebhookSecret>("POST", `${of(id)}/rotate`);
export const deliveries = (id: string, state: string, cursor?: string) => {
  const query = new URLSearchParams({ limit: "50" });
  if (state !== "") query.set("state", state);
  if (cursor !== undefined) query.set("cursor", cursor);
  return call<Page<Delivery>>("GET", `${of(id)}/deliveries?${query}`);
};
export const replay = (id: string, delivery: string) =>
  call<void>("POST", `${of(id)}/deliveries/${encodeURIComponent(delivery)}/replay`);
