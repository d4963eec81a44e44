<!-- Compiled by backupspec from hosts.srv06; change the inventory, not this file. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/domain">
    <xsl:for-each select="devices/disk[not(readonly) and not(@device='cdrom') and source]">
      <xsl:value-of select="concat(target/@dev, '&#9;', @type, '&#9;')"/>
      <xsl:choose>
        <xsl:when test="driver/@type"><xsl:value-of select="driver/@type"/></xsl:when>
        <xsl:otherwise>raw</xsl:otherwise>
      </xsl:choose>
      <xsl:text>&#9;</xsl:text>
      <xsl:value-of select="translate(source/@file | source/@dev | source/@name | source/@volume | source/@dir, '&#9;&#10;', '??')"/>
      <xsl:text>&#10;</xsl:text>
    </xsl:for-each>
    <xsl:if test="os/loader[@type='pflash'] or os[@firmware='efi']">
      <xsl:text>firmware&#9;-&#9;</xsl:text>
      <xsl:choose>
        <xsl:when test="os/nvram/@format"><xsl:value-of select="os/nvram/@format"/></xsl:when>
        <xsl:otherwise>raw</xsl:otherwise>
      </xsl:choose>
      <xsl:text>&#9;-&#10;</xsl:text>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
