-- Public key of the document, as it was submitted with: what people write on its case travels to it sealed with this.
ALTER TABLE cases ADD COLUMN opinions_key bytea NOT NULL DEFAULT '';
