-- The shop that every scenario here starts from: five tables with a few rows each, as mysqldump writes them. Where a
-- scenario grows a table, the new rows are made like these.

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;

--
-- Table structure for table `customers`
--

DROP TABLE IF EXISTS `customers`;
CREATE TABLE `customers` (
  `id` int NOT NULL AUTO_INCREMENT,
  `email` varchar(60) NOT NULL,
  `name` varchar(60) NOT NULL,
  `phone` varchar(30) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `customers_email` (`email`)
) ENGINE=InnoDB AUTO_INCREMENT=6 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;

LOCK TABLES `customers` WRITE;
/*!40000 ALTER TABLE `customers` DISABLE KEYS */;
INSERT INTO `customers` VALUES (1,'ada@example.com','Ada Byron','+44 20 7946 0101'),(2,'blaise@example.com','Blaise Martin','+33 1 99 00 12 34'),(3,'chen@example.com','Chen Li',NULL),(4,'dora@example.com','Dora Weiß','+49 30 23125 042'),(5,'emil@example.com','Emil Novák',NULL);
/*!40000 ALTER TABLE `customers` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `products`, which is older than the others
--

DROP TABLE IF EXISTS `products`;
CREATE TABLE `products` (
  `id` int NOT NULL AUTO_INCREMENT,
  `sku` varchar(20) NOT NULL,
  `name` varchar(30) NOT NULL,
  `price` decimal(10,2) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `products_sku` (`sku`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=latin1;

LOCK TABLES `products` WRITE;
INSERT INTO `products` VALUES (1,'TEA-100','Green tea, 100 g',7.90),(2,'POT-1','Teapot, cast iron',64.00),(3,'CUP-4','Four cups',32.50),(4,'HNY-250','Honey, 250 g',5.20);
UNLOCK TABLES;

--
-- Table structure for table `orders`
--

DROP TABLE IF EXISTS `orders`;
CREATE TABLE `orders` (
  `id` int NOT NULL AUTO_INCREMENT,
  `customer_id` int NOT NULL,
  `status` varchar(20) NOT NULL DEFAULT 'new',
  `note` varchar(50) DEFAULT NULL,
  `placed_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  KEY `orders_customer_id` (`customer_id`),
  CONSTRAINT `orders_customer_id_fk` FOREIGN KEY (`customer_id`) REFERENCES `customers` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;

LOCK TABLES `orders` WRITE;
INSERT INTO `orders` VALUES (1,1,'delivered',NULL,'2026-09-01 08:12:44'),(2,2,'returned','gift wrap, please','2026-09-03 17:40:05'),(3,1,'delivered','leave it with the neighbour','2026-09-14 11:03:31'),(4,3,'paid',NULL,'2026-10-02 06:55:18'),(5,4,'paid','no plastic','2026-10-19 20:21:57'),(6,5,'new',NULL,'2026-11-05 13:30:02');
UNLOCK TABLES;

--
-- Table structure for table `order_items`, whose `product_id` never got its foreign key
--

DROP TABLE IF EXISTS `order_items`;
CREATE TABLE `order_items` (
  `id` int NOT NULL AUTO_INCREMENT,
  `order_id` int NOT NULL,
  `product_id` int NOT NULL,
  `quantity` int NOT NULL,
  PRIMARY KEY (`id`),
  KEY `order_items_order_id` (`order_id`),
  KEY `order_items_product_id` (`product_id`),
  CONSTRAINT `order_items_order_id_fk` FOREIGN KEY (`order_id`) REFERENCES `orders` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=10 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;

LOCK TABLES `order_items` WRITE;
INSERT INTO `order_items` VALUES (1,1,1,2),(2,1,4,1),(3,2,2,1),(4,3,1,3),(5,3,3,1),(6,4,4,6),(7,5,2,1),(8,5,1,1),(9,6,3,2);
UNLOCK TABLES;

--
-- Table structure for table `visits`
--

DROP TABLE IF EXISTS `visits`;
CREATE TABLE `visits` (
  `id` int NOT NULL AUTO_INCREMENT,
  `customer_id` int DEFAULT NULL,
  `path` varchar(60) NOT NULL,
  `seen_at` datetime NOT NULL,
  PRIMARY KEY (`id`),
  KEY `visits_customer_id` (`customer_id`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;

LOCK TABLES `visits` WRITE;
INSERT INTO `visits` VALUES (1,1,'/','2026-11-01 09:00:12'),(2,1,'/tea','2026-11-01 09:00:40'),(3,NULL,'/','2026-11-02 14:21:09'),(4,2,'/pots','2026-11-03 18:05:55'),(5,NULL,'/honey','2026-11-03 18:44:31'),(6,5,'/cups','2026-11-05 13:24:46');
UNLOCK TABLES;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;

-- Dump completed on 2026-11-20 12:00:00
