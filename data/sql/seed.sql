-- Sample company Ahrenfeld Colby: the two tables that sales and service look up.
-- Plain SQL that SQLite and PostgreSQL both load. Prices are list prices per piece, net.
-- Table products holds 40 rows; table price_list holds 39 rows (P-1090 is discontinued and has no price).
CREATE TABLE products (
  product_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  family TEXT NOT NULL,
  max_flow_l_per_h REAL,
  max_pressure_bar REAL,
  power_w REAL,
  weight_kg REAL NOT NULL,
  status TEXT NOT NULL,
  introduced_year INTEGER NOT NULL
);

CREATE TABLE price_list (
  product_id TEXT PRIMARY KEY REFERENCES products (product_id),
  product_name TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  list_price_eur REAL NOT NULL,
  list_price_usd REAL NOT NULL,
  lead_time_days INTEGER NOT NULL,
  discount_group TEXT NOT NULL,
  minimum_order_pieces INTEGER NOT NULL
);

INSERT INTO products VALUES ('P-1010', 'Taktor D60', 'Taktor D', 60, 12, 90, 9.8, 'active', 2014);
INSERT INTO products VALUES ('P-1020', 'Taktor D120', 'Taktor D', 120, 10, 180, 13.4, 'active', 2014);
INSERT INTO products VALUES ('P-1030', 'Taktor D240', 'Taktor D', 240, 7, 250, 17.9, 'active', 2015);
INSERT INTO products VALUES ('P-1040', 'Taktor D480', 'Taktor D', 480, 5, 370, 26.5, 'active', 2015);
INSERT INTO products VALUES ('P-1050', 'Taktor D480X', 'Taktor D', 480, 5, 370, 31.0, 'active', 2018);
INSERT INTO products VALUES ('P-1090', 'Taktor D90', 'Taktor D', 90, 10, 120, 12.1, 'discontinued', 2003);
INSERT INTO products VALUES ('P-2010', 'Minim S4', 'Minim S', 4, 16, 22, 2.9, 'active', 2019);
INSERT INTO products VALUES ('P-2020', 'Minim S9', 'Minim S', 9, 10, 26, 3.1, 'active', 2019);
INSERT INTO products VALUES ('P-2030', 'Minim S18', 'Minim S', 18, 6, 30, 3.4, 'active', 2020);
INSERT INTO products VALUES ('P-2040', 'Minim S9B', 'Minim S', 9, 10, 28, 3.2, 'active', 2022);
INSERT INTO products VALUES ('P-2090', 'Minim S2', 'Minim S', 2, 16, 18, 2.6, 'phase-out', 2008);
INSERT INTO products VALUES ('P-3010', 'Orbita 25', 'Orbita', 300, 8, 370, 38, 'active', 2011);
INSERT INTO products VALUES ('P-3020', 'Orbita 40', 'Orbita', 1100, 8, 1100, 84, 'active', 2011);
INSERT INTO products VALUES ('P-3030', 'Orbita 65', 'Orbita', 3600, 8, 2200, 176, 'active', 2013);
INSERT INTO products VALUES ('P-3040', 'Orbita 40H', 'Orbita', 1000, 6, 1100, 88, 'active', 2021);
INSERT INTO products VALUES ('P-4010', 'Kontor C2', 'Kontor', NULL, NULL, 9, 1.1, 'phase-out', 2016);
INSERT INTO products VALUES ('P-4020', 'Kontor C4', 'Kontor', NULL, NULL, 18, 2.3, 'active', 2020);
INSERT INTO products VALUES ('P-4030', 'Kontor C8', 'Kontor', NULL, NULL, 27, 3.0, 'active', 2022);
INSERT INTO products VALUES ('P-4040', 'Gateway G1', 'Kontor', NULL, NULL, 8, 0.6, 'active', 2023);
INSERT INTO products VALUES ('P-5010', 'Skidline SK-2', 'Skidline', NULL, NULL, NULL, 95, 'active', 2017);
INSERT INTO products VALUES ('P-5020', 'Skidline SK-3', 'Skidline', NULL, NULL, NULL, 140, 'active', 2017);
INSERT INTO products VALUES ('P-5030', 'Skidline SK-3 Outdoor', 'Skidline', NULL, NULL, 500, 265, 'active', 2021);
INSERT INTO products VALUES ('P-6010', 'Senta pH', 'Senta', NULL, 6, NULL, 0.2, 'active', 2018);
INSERT INTO products VALUES ('P-6020', 'Senta Redox', 'Senta', NULL, 6, NULL, 0.2, 'active', 2018);
INSERT INTO products VALUES ('P-6030', 'Senta Chlor', 'Senta', NULL, 1, NULL, 0.4, 'active', 2019);
INSERT INTO products VALUES ('P-6040', 'Senta LF', 'Senta', NULL, 10, NULL, 0.5, 'active', 2020);
INSERT INTO products VALUES ('P-6050', 'Leak detector LW-10', 'Accessory', NULL, NULL, 1, 0.3, 'active', 2013);
INSERT INTO products VALUES ('P-7010', 'Multifunction valve MFV-10', 'Accessory', NULL, 10, NULL, 0.4, 'active', 2014);
INSERT INTO products VALUES ('P-7020', 'Pressure retention valve PRV-6', 'Accessory', NULL, 6, NULL, 0.3, 'active', 2014);
INSERT INTO products VALUES ('P-7030', 'Pulsation damper 0.5 L', 'Accessory', NULL, 16, NULL, 1.9, 'active', 2012);
INSERT INTO products VALUES ('P-7040', 'Suction lance 1 m with level switch', 'Accessory', NULL, NULL, NULL, 0.7, 'active', 2014);
INSERT INTO products VALUES ('P-7050', 'Foot valve with ceramic weight', 'Accessory', NULL, NULL, NULL, 0.3, 'active', 2010);
INSERT INTO products VALUES ('P-7060', 'Calibration cylinder 500 ml', 'Accessory', NULL, NULL, NULL, 0.4, 'active', 2010);
INSERT INTO products VALUES ('P-8010', 'Diaphragm kit D60/D120', 'Spare part', NULL, NULL, NULL, 0.3, 'active', 2014);
INSERT INTO products VALUES ('P-8020', 'Diaphragm kit D240/D480', 'Spare part', NULL, NULL, NULL, 0.5, 'active', 2015);
INSERT INTO products VALUES ('P-8030', 'Hose Orbita 25 NR', 'Spare part', NULL, NULL, NULL, 2.4, 'active', 2011);
INSERT INTO products VALUES ('P-8040', 'Hose Orbita 40 NR', 'Spare part', NULL, NULL, NULL, 5.2, 'active', 2011);
INSERT INTO products VALUES ('P-8050', 'Hose Orbita 65 NR', 'Spare part', NULL, NULL, NULL, 13.7, 'active', 2013);
INSERT INTO products VALUES ('P-8060', 'Valve set Minim S', 'Spare part', NULL, NULL, NULL, 0.1, 'active', 2019);
INSERT INTO products VALUES ('P-8070', 'Hose lubricant 2 L', 'Spare part', NULL, NULL, NULL, 2.6, 'active', 2011);

INSERT INTO price_list VALUES ('P-1010', 'Taktor D60', '2026-01-01', 1490, 1640, 15, 'A', 1);
INSERT INTO price_list VALUES ('P-1020', 'Taktor D120', '2026-01-01', 1780, 1960, 15, 'A', 1);
INSERT INTO price_list VALUES ('P-1030', 'Taktor D240', '2026-01-01', 2240, 2465, 15, 'A', 1);
INSERT INTO price_list VALUES ('P-1040', 'Taktor D480', '2026-01-01', 2890, 3180, 15, 'A', 1);
INSERT INTO price_list VALUES ('P-1050', 'Taktor D480X', '2026-01-01', 4650, 5115, 30, 'A', 1);
INSERT INTO price_list VALUES ('P-2010', 'Minim S4', '2026-01-01', 420, 465, 7, 'A', 1);
INSERT INTO price_list VALUES ('P-2020', 'Minim S9', '2026-01-01', 455, 500, 7, 'A', 1);
INSERT INTO price_list VALUES ('P-2030', 'Minim S18', '2026-01-01', 510, 560, 7, 'A', 1);
INSERT INTO price_list VALUES ('P-2040', 'Minim S9B', '2026-01-01', 545, 600, 10, 'A', 1);
INSERT INTO price_list VALUES ('P-2090', 'Minim S2', '2026-01-01', 390, 430, 21, 'A', 1);
INSERT INTO price_list VALUES ('P-3010', 'Orbita 25', '2026-01-01', 3150, 3465, 20, 'A', 1);
INSERT INTO price_list VALUES ('P-3020', 'Orbita 40', '2026-01-01', 5480, 6030, 20, 'A', 1);
INSERT INTO price_list VALUES ('P-3030', 'Orbita 65', '2026-01-01', 9870, 10860, 35, 'A', 1);
INSERT INTO price_list VALUES ('P-3040', 'Orbita 40H', '2026-01-01', 6240, 6865, 30, 'A', 1);
INSERT INTO price_list VALUES ('P-4010', 'Kontor C2', '2026-01-01', 1120, 1230, 10, 'B', 1);
INSERT INTO price_list VALUES ('P-4020', 'Kontor C4', '2026-01-01', 2380, 2620, 10, 'B', 1);
INSERT INTO price_list VALUES ('P-4030', 'Kontor C8', '2026-01-01', 3690, 4060, 15, 'B', 1);
INSERT INTO price_list VALUES ('P-4040', 'Gateway G1', '2026-01-01', 890, 980, 5, 'B', 1);
INSERT INTO price_list VALUES ('P-5010', 'Skidline SK-2', '2026-01-01', 8900, 9790, 42, 'D', 1);
INSERT INTO price_list VALUES ('P-5020', 'Skidline SK-3', '2026-01-01', 12400, 13640, 42, 'D', 1);
INSERT INTO price_list VALUES ('P-5030', 'Skidline SK-3 Outdoor', '2026-01-01', 21500, 23650, 77, 'D', 1);
INSERT INTO price_list VALUES ('P-6010', 'Senta pH', '2026-01-01', 198, 218, 5, 'B', 1);
INSERT INTO price_list VALUES ('P-6020', 'Senta Redox', '2026-01-01', 189, 208, 5, 'B', 1);
INSERT INTO price_list VALUES ('P-6030', 'Senta Chlor', '2026-01-01', 640, 704, 5, 'B', 1);
INSERT INTO price_list VALUES ('P-6040', 'Senta LF', '2026-01-01', 720, 792, 10, 'B', 1);
INSERT INTO price_list VALUES ('P-6050', 'Leak detector LW-10', '2026-01-01', 165, 182, 5, 'B', 1);
INSERT INTO price_list VALUES ('P-7010', 'Multifunction valve MFV-10', '2026-01-01', 118, 130, 5, 'C', 1);
INSERT INTO price_list VALUES ('P-7020', 'Pressure retention valve PRV-6', '2026-01-01', 96, 106, 5, 'C', 1);
INSERT INTO price_list VALUES ('P-7030', 'Pulsation damper 0.5 L', '2026-01-01', 245, 270, 10, 'C', 1);
INSERT INTO price_list VALUES ('P-7040', 'Suction lance 1 m with level switch', '2026-01-01', 82, 90, 5, 'C', 2);
INSERT INTO price_list VALUES ('P-7050', 'Foot valve with ceramic weight', '2026-01-01', 38, 42, 3, 'C', 5);
INSERT INTO price_list VALUES ('P-7060', 'Calibration cylinder 500 ml', '2026-01-01', 57, 63, 5, 'C', 2);
INSERT INTO price_list VALUES ('P-8010', 'Diaphragm kit D60/D120', '2026-01-01', 148, 163, 2, 'C', 1);
INSERT INTO price_list VALUES ('P-8020', 'Diaphragm kit D240/D480', '2026-01-01', 196, 216, 2, 'C', 1);
INSERT INTO price_list VALUES ('P-8030', 'Hose Orbita 25 NR', '2026-01-01', 189, 208, 3, 'C', 2);
INSERT INTO price_list VALUES ('P-8040', 'Hose Orbita 40 NR', '2026-01-01', 312, 343, 3, 'C', 2);
INSERT INTO price_list VALUES ('P-8050', 'Hose Orbita 65 NR', '2026-01-01', 548, 603, 5, 'C', 1);
INSERT INTO price_list VALUES ('P-8060', 'Valve set Minim S', '2026-01-01', 46, 51, 2, 'C', 3);
INSERT INTO price_list VALUES ('P-8070', 'Hose lubricant 2 L', '2026-01-01', 64, 70, 2, 'C', 2);
