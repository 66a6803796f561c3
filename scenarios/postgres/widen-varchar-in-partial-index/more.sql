CREATE INDEX products_dear ON products (name) WHERE price > 20;
CREATE INDEX products_name ON products (name);
