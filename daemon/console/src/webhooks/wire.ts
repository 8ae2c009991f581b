/** Webhooks as the daemon tells of them. */

export interface Webhook {
  id: string;
  name: string;
  url: string;
  topics: string[];
  enabled: boolean;
  rotated_at: string | null;
  created_at: string;
  created_by: string;
}

/** With the secret, which is told when it is made and never again. */
export interface WebhookSecret extends Webhook {
  secret: string;
}

export interface Delivery {
  id: string;
  topic: string;
  seq: number;
  state: "waiting" | "delivered" | "dead";
  replayed: boolean;
  attempts: number;
  status: number | null;
  error: string | null;
  created_at: string;
  next_at: string;
  settled_at: string | null;
}

export interface NewWebhook {
  name: string;
  url: string;
  topics: string[];
  enabled: boolean;
}
